//! The address of a client, by which requests without a caller are limited.

use std::net::IpAddr;

/// The client's address, as the platform knows it. Absent from a request, all clients without one
/// share a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Returns the key of the limiter: an IPv4 address, or the /64 of an IPv6 one, which is what a
    /// single subscriber gets and can roam in freely.
    pub fn limiter_key(self) -> String {
        match self.0.to_canonical() {
            IpAddr::V4(address) => format!("ip:{address}"),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("ip:{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_ipv6_and_unmaps_ipv4() {
        let key = |text: &str| ClientAddress(text.parse().unwrap()).limiter_key();
        assert_eq!(key("192.0.2.7"), "ip:192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), "ip:192.0.2.7");
        assert_eq!(key("2001:db8:1:2:3::4"), "ip:2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }
}
