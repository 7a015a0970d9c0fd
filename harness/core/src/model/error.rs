//! Names the reasons why a request got no complete answer.

use std::{error::Error, fmt, io};

/// Kinds of failed requests. The names are part of the report's format.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Nobody listens there.
    Refused,
    /// The connection was reset before or during the answer.
    Reset,
    /// The connection was closed without an answer.
    Closed,
    /// HTTP/2: the stream was reset without an answer; the detail has the code.
    StreamReset,
    /// HTTP/2: the target ended the connection again and again without processing the request.
    GoAway,
    /// No answer began within the time that the step allows.
    Timeout,
    /// The answer began, but did not end within the time that the step allows.
    BodyTimeout,
    /// The connection was closed, or the stream was reset, in the middle of the answer.
    Truncated,
    /// The answer is not HTTP.
    Malformed,
    /// The answer is larger than the harness reads.
    TooLarge,
    /// No secure connection could be made.
    Tls,
    /// The name has no address.
    Dns,
    /// This machine has no descriptor, port or memory left for it.
    Exhausted,
    /// The request could not be built, so nothing was sent.
    NotSent,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Nobody was there to take the request.
    pub fn is_absence(self) -> bool {
        matches!(self, Self::Refused | Self::Dns)
    }

    /// The target did something, if not what it should have.
    pub fn is_reaction(self) -> bool {
        matches!(
            self,
            Self::Reset
                | Self::Closed
                | Self::StreamReset
                | Self::GoAway
                | Self::BodyTimeout
                | Self::Truncated
                | Self::Malformed
                | Self::TooLarge
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::Closed => "closed without an answer",
            Self::StreamReset => "stream reset",
            Self::GoAway => "connection ended by GOAWAY",
            Self::Timeout => "timed out",
            Self::BodyTimeout => "answer not complete in time",
            Self::Truncated => "answer cut short",
            Self::Malformed => "not HTTP",
            Self::TooLarge => "answer too large",
            Self::Tls => "TLS failed",
            Self::Dns => "name not found",
            Self::Exhausted => "out of descriptors, ports or memory",
            Self::NotSent => "not sent",
            Self::Other => "failed",
        })
    }
}

/// The stage that an exchange had reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The exchange up to the end of the response's head.
    Head,
    /// The body of the response.
    Body,
}

impl Stage {
    /// Returns the kind of an exchange during which the target closed the connection.
    pub(crate) fn ended(self) -> ErrorKind {
        match self {
            Self::Head => ErrorKind::Closed,
            Self::Body => ErrorKind::Truncated,
        }
    }
}

/// The kind of the innermost cause that says something.
pub fn classify(error: &(dyn Error + 'static), stage: Stage) -> ErrorKind {
    let mut kind = ErrorKind::Other;
    let mut cause = Some(error);
    while let Some(error) = cause {
        kind = of_one(error, stage).unwrap_or(kind);
        cause = next(error);
    }
    kind
}

/// The cause of an error. An I/O error that only wraps another one names that one's cause as its
/// own, which would skip it.
pub(super) fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Returns the texts of all causes from `cause` on, outermost first.
pub fn causes(mut cause: Option<&(dyn Error + 'static)>) -> String {
    let mut texts: Vec<String> = Vec::new();
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = next(error);
    }
    texts.join(": ")
}

fn of_one(error: &(dyn Error + 'static), stage: Stage) -> Option<ErrorKind> {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_hyper(error, stage);
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return of_h2(error, stage);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error, stage);
    }
    error.is::<rustls::Error>().then_some(ErrorKind::Tls)
}

fn of_hyper(error: &hyper::Error, stage: Stage) -> Option<ErrorKind> {
    if error.is_parse() {
        Some(ErrorKind::Malformed)
    } else if error.is_timeout() {
        Some(ErrorKind::Timeout)
    } else if stage == Stage::Body {
        Some(ErrorKind::Truncated)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Some(ErrorKind::Closed)
    } else {
        None
    }
}

/// Returns the kind of an error of HTTP/2: a stream or a connection that the target ended, or that
/// we ended because the target does not keep to the protocol.
fn of_h2(error: &h2::Error, stage: Stage) -> Option<ErrorKind> {
    if let Some(error) = error.get_io() {
        return of_io(error, stage);
    }
    let reason = error.reason()?;
    if error.is_remote() {
        Some(match stage {
            Stage::Body => ErrorKind::Truncated,
            Stage::Head if error.is_go_away() => ErrorKind::GoAway,
            Stage::Head => ErrorKind::StreamReset,
        })
    } else if reason == h2::Reason::NO_ERROR || reason == h2::Reason::CANCEL {
        None
    } else {
        Some(ErrorKind::Malformed)
    }
}

fn of_io(error: &io::Error, stage: Stage) -> Option<ErrorKind> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(ErrorKind::Refused),
        io::ErrorKind::TimedOut => Some(ErrorKind::Timeout),
        // The end of a connection, as rustls and h2 report it.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
            if error.raw_os_error().is_none() =>
        {
            Some(stage.ended())
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe => Some(ErrorKind::Reset),
        // A chunk's size that is no number is reported like this.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if stage == Stage::Body => {
            Some(ErrorKind::Malformed)
        }
        _ if is_exhaustion(error) => Some(ErrorKind::Exhausted),
        _ => None,
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const EXHAUSTION: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| EXHAUSTION.map(Errno::raw_os_error).contains(&code))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn causes_as_a_table() {
        use ErrorKind::{Closed, Exhausted, Malformed, Other, Reset, Tls, Truncated};
        let os = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        let kind = |kind: io::ErrorKind| io::Error::from(kind);
        let wrapped = |error: io::Error| io::Error::other(io::Error::other(error));
        let tls = || io::Error::other(rustls::Error::DecryptError);
        for (error, stage, expected) in [
            (os(Errno::MFILE), Stage::Head, Exhausted),
            (os(Errno::NFILE), Stage::Head, Exhausted),
            (os(Errno::ADDRNOTAVAIL), Stage::Head, Exhausted),
            (os(Errno::CONNREFUSED), Stage::Head, ErrorKind::Refused),
            (wrapped(os(Errno::CONNRESET)), Stage::Body, Reset),
            (os(Errno::PIPE), Stage::Head, Reset),
            (kind(io::ErrorKind::UnexpectedEof), Stage::Head, Closed),
            (kind(io::ErrorKind::BrokenPipe), Stage::Body, Truncated),
            (kind(io::ErrorKind::UnexpectedEof), Stage::Body, Truncated),
            (kind(io::ErrorKind::InvalidInput), Stage::Body, Malformed),
            (kind(io::ErrorKind::InvalidInput), Stage::Head, Other),
            (tls(), Stage::Head, Tls),
            (wrapped(tls()), Stage::Head, Tls),
            (os(Errno::TIMEDOUT), Stage::Head, ErrorKind::Timeout),
        ] {
            assert_eq!(classify(&error, stage), expected, "{error:?} {stage:?}");
        }
    }
}
