//! What a client must report of what a server said: pure functions, written from RFC 9110, 9112 and
//! 9113. They see whole conversations, so that they need nothing of how a client reads.

use workway::model::ErrorKind;

use super::{
    behaviour::{End, Meaning, Step},
    frames::REFUSED_STREAM,
};

/// What a client may report of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// There was a complete answer.
    Answered,
    /// There was none.
    Failed(ErrorKind),
    /// The protocol proves that the request was not processed: it is sent again. Where that has
    /// happened too often, it failed in this way.
    Refused(ErrorKind),
}

use Fate::{Answered, Failed};

/// How much of an answer of HTTP/1.1 these bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// No byte of the final answer.
    Nothing,
    PartialHead,
    /// A head, and less than its body.
    PartialBody,
    /// A body that ends with the connection.
    UntilClose,
    Malformed,
    Complete {
        /// Bytes after the end.
        extra: bool,
        /// Whether another request may follow on the connection (RFC 9112, 9.3).
        persistent: bool,
        /// Chunks in a message of HTTP/1.0: RFC 9112, 6.1 calls that framing faulty, and wants the
        /// connection closed after it.
        faulty: bool,
    },
}

/// Returns the fates that are legal for a request of HTTP/1.1 which was read, after which this was
/// said and the connection went on like that.
pub(crate) fn http1(said: &[u8], end: End, step: Step, secure: bool) -> Vec<Fate> {
    // Through TLS, only a word of TLS ends a connection; anybody can forge the FIN of TCP.
    let is_announced = end == End::Fin || (!secure && matches!(end, End::Silent | End::Close));
    let by_end = |kept: &[ErrorKind], closed| match end {
        End::Keep => kept.iter().map(|kind| Failed(*kind)).collect(),
        End::Fin | End::Silent | End::Close => vec![closed],
        End::Reset => vec![Failed(ErrorKind::Reset)],
    };
    let silent = &[ErrorKind::Timeout];
    // The head may not have come in time, if the machine is busy.
    let endless = &[ErrorKind::BodyTimeout, ErrorKind::Timeout];
    let truncated = Failed(ErrorKind::Truncated);
    let mut fates = match read(said, step) {
        Reading::Nothing => by_end(silent, Failed(ErrorKind::Closed)),
        Reading::PartialHead => by_end(silent, truncated),
        Reading::PartialBody => by_end(endless, truncated),
        Reading::UntilClose => by_end(endless, if is_announced { Answered } else { truncated }),
        Reading::Malformed | Reading::Complete { extra: true, .. } => {
            vec![Failed(ErrorKind::Malformed)]
        }
        Reading::Complete { faulty: true, .. } => vec![Answered, Failed(ErrorKind::Malformed)],
        Reading::Complete { .. } => vec![Answered],
    };
    // A reset may overtake what was said before it.
    if end == End::Reset {
        add(&mut fates, Failed(ErrorKind::Reset));
    }
    fates
}

pub(crate) fn add(fates: &mut Vec<Fate>, fate: Fate) {
    if !fates.contains(&fate) {
        fates.push(fate);
    }
}

/// Reads the answer at the front of `said` (RFC 9112, 6.3).
pub(crate) fn read(said: &[u8], step: Step) -> Reading {
    let mut rest = said;
    loop {
        let begins = rest.len().min(7);
        if rest[..begins] != b"HTTP/1."[..begins] {
            return Reading::Malformed;
        }
        let Some(end) = find(rest, b"\r\n\r\n") else {
            return if rest.is_empty() { Reading::Nothing } else { Reading::PartialHead };
        };
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        let status: u16 = head[9..12].parse().unwrap();
        match status {
            // Nobody asked for another protocol (RFC 9110, 15.2.2).
            101 => return Reading::Malformed,
            100..=199 => {}
            _ => return body(&head, rest, step),
        }
    }
}

fn body(head: &str, rest: &[u8], step: Step) -> Reading {
    let fields = |wanted: &str| -> Vec<String> {
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let of_name = fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        of_name.flat_map(|(_, value)| value.split(", ")).map(str::to_ascii_lowercase).collect()
    };
    let modern = head.starts_with("HTTP/1.1");
    let (connection, codings) = (fields("connection"), fields("transfer-encoding"));
    let has = |option: &str| connection.iter().any(|one| one == option);
    let faulty = !modern && !codings.is_empty();
    let persistent = !faulty && !has("close") && (modern || has("keep-alive"));
    let lengths = fields("content-length");
    let length = lengths.first().map(|first| {
        let digits = first.bytes().all(|byte| byte.is_ascii_digit());
        let same = lengths.iter().all(|other| other == first);
        first.parse::<usize>().ok().filter(|_| digits && same)
    });
    let complete = |used: usize| Reading::Complete { extra: used < rest.len(), persistent, faulty };
    match (codings.last().map(String::as_str), length) {
        // A length that is none is an error whether or not it is needed.
        (_, Some(None)) => Reading::Malformed,
        _ if step.has_no_body() => complete(0),
        (Some("chunked"), _) => match chunks(rest) {
            Ok(Some(used)) => complete(used),
            Ok(None) => Reading::PartialBody,
            Err(()) => Reading::Malformed,
        },
        (None, Some(Some(length))) if rest.len() >= length => complete(length),
        (None, Some(_)) => Reading::PartialBody,
        _ => Reading::UntilClose,
    }
}

/// Returns the length of a body in chunks (RFC 9112, 7.1); nothing if it is not complete.
fn chunks(body: &[u8]) -> Result<Option<usize>, ()> {
    let mut at = 0;
    loop {
        let digits = body[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits == 0 && at < body.len() {
            return Err(());
        }
        let Some(line) = find(&body[at..], b"\r\n") else { return Ok(None) };
        let size = String::from_utf8_lossy(&body[at..at + digits]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(drop)?;
        at += line + 2;
        if size == 0 {
            break;
        }
        let Some(after) = body.get(at + size..) else { return Ok(None) };
        let newline = after.len().min(2);
        if after[..newline] != b"\r\n"[..newline] {
            return Err(());
        }
        if newline < 2 {
            return Ok(None);
        }
        at += size + 2;
    }
    loop {
        let Some(line) = find(&body[at..], b"\r\n") else { return Ok(None) };
        at += line + 2;
        if line == 0 {
            return Ok(Some(at));
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Something that a server did on a connection of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Said(u32, Meaning),
    Ended(End),
}

/// Returns the fates that are legal for the request on stream `id`, which was read after `before` and
/// followed by `after` (RFC 9113, 5.1, 6.8, 8.1 and 8.7).
pub(crate) fn http2(before: &[Done], after: &[Done], id: u32, step: Step) -> Vec<Fate> {
    let is_abrupt = |done: &Done| matches!(done, Done::Ended(End::Reset | End::Close));
    let mut fates = already(before, id).or_else(|| stream(after, id, step)).unwrap_or_else(|| {
        let has_head = after
            .iter()
            .any(|done| matches!(done, Done::Said(of, Meaning::Head { .. }) if *of == id));
        let late = has_head.then_some(Failed(ErrorKind::BodyTimeout));
        late.into_iter().chain([Failed(ErrorKind::Timeout)]).collect()
    });
    // RFC 9113, 5.4.1: an error of a stream may be taken for one of the connection.
    let is_error = |done: &Done| matches!(done, Done::Said(_, Meaning::StreamError));
    if before.iter().chain(after).any(is_error) {
        add(&mut fates, Failed(ErrorKind::Malformed));
    }
    // A reset may overtake what was said before it; a connection that is closed while something on
    // it is unread, such as an acknowledgement, is reset. The system tells a reset to the first who
    // asks, and to everybody after that an end.
    if before.iter().chain(after).any(is_abrupt) {
        let is_head =
            |done: &Done| matches!(done, Done::Said(of, Meaning::Head { .. }) if *of == id);
        let kind = if after.iter().any(is_head) { ErrorKind::Truncated } else { ErrorKind::Closed };
        add(&mut fates, Failed(ErrorKind::Closed));
        add(&mut fates, Failed(kind));
        add(&mut fates, Failed(ErrorKind::Reset));
    }
    fates
}

/// The fate of a request on a connection that the server had given up when it came.
fn already(before: &[Done], id: u32) -> Option<Vec<Fate>> {
    let is = |wanted: &dyn Fn(&Done) -> bool| before.iter().any(wanted);
    if is(&|done| matches!(done, Done::Said(_, Meaning::GoAway { last }) if *last < id)) {
        return Some(vec![Fate::Refused(ErrorKind::GoAway)]);
    }
    if is(&|done| matches!(done, Done::Said(_, Meaning::ConnectionError))) {
        return Some(vec![Failed(ErrorKind::Malformed)]);
    }
    is(&|done| matches!(done, Done::Ended(_)))
        .then(|| vec![Failed(ErrorKind::Closed), Failed(ErrorKind::Reset)])
}

/// The fate that what the server did decides; nothing if the client waits for more. An answer with
/// several mistakes has one of several fates, since nothing says which of them a client sees first.
fn stream(after: &[Done], id: u32, step: Step) -> Option<Vec<Fate>> {
    let mut answer = Answer { fates: Vec::new(), has_head: false, length: None, read: 0 };
    for done in after {
        let ends = match *done {
            Done::Ended(End::Reset) => Some(Failed(ErrorKind::Reset)),
            Done::Ended(_) => Some(answer.broken(Failed(ErrorKind::Closed))),
            Done::Said(_, Meaning::ConnectionError) => Some(Failed(ErrorKind::Malformed)),
            Done::Said(_, Meaning::GoAway { last }) if last < id => {
                Some(answer.broken(Fate::Refused(ErrorKind::GoAway)))
            }
            Done::Said(of, meaning) if of == id => answer.take(meaning, step),
            Done::Said(..) => None,
        };
        match ends {
            Some(Answered) if answer.fates.is_empty() => return Some(vec![Answered]),
            None | Some(Answered) => {}
            Some(fate) => add(&mut answer.fates, fate),
        }
    }
    Some(answer.fates).filter(|fates| !fates.is_empty())
}

/// An answer on a stream.
struct Answer {
    /// Its fates so far, none of which is good.
    fates: Vec<Fate>,
    has_head: bool,
    /// The length that was stated, and what came.
    length: Option<usize>,
    read: usize,
}

impl Answer {
    /// The fate of an answer that something ended, where `fate` is that of no answer.
    fn broken(&self, fate: Fate) -> Fate {
        if self.has_head { Failed(ErrorKind::Truncated) } else { fate }
    }

    /// What a frame decides, if it decides something.
    fn take(&mut self, meaning: Meaning, step: Step) -> Option<Fate> {
        let had_head = self.has_head;
        let legal = match meaning {
            Meaning::Interim { end } => !end && !had_head,
            Meaning::Head { length, .. } => {
                // After a mistake, the client has given the stream up.
                self.has_head |= self.fates.is_empty();
                self.length = length.filter(|_| !step.has_no_body());
                !had_head
            }
            Meaning::Data { bytes, .. } => {
                self.read += bytes;
                had_head && self.length.is_none_or(|length| self.read <= length)
            }
            Meaning::Trailers { end } => end && had_head,
            Meaning::StreamError => false,
            Meaning::Reset(REFUSED_STREAM) => {
                return Some(self.broken(Fate::Refused(ErrorKind::StreamReset)));
            }
            Meaning::Reset(_) => return Some(self.broken(Failed(ErrorKind::StreamReset))),
            Meaning::GoAway { .. } | Meaning::ConnectionError | Meaning::Nothing => return None,
        };
        let ends = match meaning {
            Meaning::Head { end, .. } | Meaning::Data { end, .. } | Meaning::Trailers { end } => {
                end
            }
            _ => false,
        };
        let whole = self.length.is_none_or(|length| length == self.read);
        match (legal, ends) {
            (true, false) => None,
            (true, true) if whole => Some(Answered),
            _ => Some(Failed(ErrorKind::Malformed)),
        }
    }
}
