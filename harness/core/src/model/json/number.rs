//! Numbers of any size and precision, with the digits that were written.

use std::{cmp::Ordering, fmt};

/// A JSON number. Numbers are compared by their exact value: 1, 1.0 and 1e0 are equal, and
/// 9007199254740993 is greater than 9007199254740992.
#[derive(Clone, Debug)]
pub struct Number(Digits);

#[derive(Clone, Debug)]
enum Digits {
    /// A whole number that is written as Rust writes it: most numbers are, and these are compared
    /// without a look at their digits.
    Whole(i64),
    /// Any other, as it was written.
    Written(Box<str>),
}

impl Number {
    /// Reads a number as RFC 8259, section 6 has it.
    pub fn parse(text: &str) -> Option<Self> {
        (length(text.as_bytes()) == Some(text.len())).then(|| Self::written(text))
    }

    /// Reads what is known to be a number.
    pub(super) fn written(text: &str) -> Self {
        match text.parse() {
            // `-0` is not written as Rust writes zero.
            Ok(whole) if whole != 0 || text == "0" => Self(Digits::Whole(whole)),
            _ => Self(Digits::Written(text.into())),
        }
    }

    /// Returns the whole number, if 64 bits can hold it and it is written as one.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Digits::Whole(whole) => Some(whole),
            Digits::Written(_) => None,
        }
    }

    /// Returns a text that is the same for equal numbers, and for no others.
    pub(super) fn canonical(&self) -> String {
        let exact = Exact::of(&self.to_string());
        match exact.sign() {
            0 => "0".to_owned(),
            sign => {
                format!("{}0.{}e{}", if sign < 0 { "-" } else { "" }, exact.digits, exact.exponent)
            }
        }
    }

    /// Returns the nearest number of 64 bits; what is too large becomes the largest.
    pub(super) fn rounded(&self) -> serde_json::Number {
        let text = self.to_string();
        serde_json::from_str(&text).unwrap_or_else(|_| {
            let largest = if text.starts_with('-') { f64::MIN } else { f64::MAX };
            serde_json::Number::from_f64(largest).unwrap_or_else(|| 0.into())
        })
    }
}

/// Returns the number of bytes of the number that `text` begins with.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is = |at: usize, bytes: &[u8]| text.get(at).is_some_and(|byte| bytes.contains(byte));
    let mut at = usize::from(is(0, b"-"));
    match digits(at) {
        0 => return None,
        // No digit follows a leading zero.
        _ if is(at, b"0") => at += 1,
        count => at += count,
    }
    if is(at, b".") {
        match digits(at + 1) {
            0 => return None,
            count => at += 1 + count,
        }
    }
    if is(at, b"eE") {
        let sign = usize::from(is(at + 1, b"+-"));
        match digits(at + 1 + sign) {
            0 => return None,
            count => at += 1 + sign + count,
        }
    }
    Some(at)
}

/// Exponents beyond this are taken as this. A number that is written out in full with such an
/// exponent does not fit into any memory, and 10^30 leaves room to add the number of digits.
const MAX_EXPONENT: i128 = 1_000_000_000_000_000_000_000_000_000_000;

/// A number as `0.digits` times ten to the power of `exponent`.
struct Exact {
    is_negative: bool,
    exponent: i128,
    /// Without zeros at either end; empty for zero.
    digits: String,
}

impl Exact {
    fn of(text: &str) -> Self {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let leading = whole.len() as i128 - (all.len() - significant.len()) as i128;
        let digits = significant.trim_end_matches('0').to_owned();
        Self { is_negative, exponent: leading + read_exponent(exponent), digits }
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

fn read_exponent(text: &str) -> i128 {
    let beyond = if text.starts_with('-') { -MAX_EXPONENT } else { MAX_EXPONENT };
    text.parse().map_or(beyond, |exponent: i128| exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT))
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Digits::Whole(a), Digits::Whole(b)) = (&self.0, &other.0) {
            return a.cmp(b);
        }
        let (a, b) = (Exact::of(&self.to_string()), Exact::of(&other.to_string()));
        let by_sign = a.sign().cmp(&b.sign());
        if by_sign.is_ne() || a.sign() == 0 {
            return by_sign;
        }
        // Digits without zeros at their ends compare like fractions.
        let by_size = a.exponent.cmp(&b.exponent).then_with(|| a.digits.cmp(&b.digits));
        if a.is_negative { by_size.reverse() } else { by_size }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

/// As it was written.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Digits::Whole(whole) => write!(f, "{whole}"),
            Digits::Written(text) => f.write_str(text),
        }
    }
}

macro_rules! from {
    ($($type:ty),+) => {$(
        impl From<$type> for Number {
            fn from(value: $type) -> Self {
                match i64::try_from(value) {
                    Ok(whole) => Self(Digits::Whole(whole)),
                    Err(_) => Self(Digits::Written(value.to_string().into())),
                }
            }
        }
    )+};
}

from!(u16, u32, u64, usize, i32, i64);

impl From<serde_json::Number> for Number {
    fn from(number: serde_json::Number) -> Self {
        Self::written(&number.to_string())
    }
}
