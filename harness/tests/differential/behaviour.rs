//! What a server does with each request, drawn at random and made simpler again.

use rand::{RngExt as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use super::frames::{
    self, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS,
    INTERNAL_ERROR, NO_ERROR, PADDED, PING, PROTOCOL_ERROR, REFUSED_STREAM, SETTINGS,
    WINDOW_UPDATE,
};

/// What is spoken with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    SecureHttp1,
    Http2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::SecureHttp1, Self::Http2];

    pub(crate) fn is_secure(self) -> bool {
        self != Self::Http1
    }
}

/// Says how a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It stays open. An answer that is not complete never will be.
    Keep,
    /// It is shut down, with a word of TLS. Requests that come all the same are read, not processed.
    Fin,
    /// The same without a word of TLS.
    Silent,
    /// It is closed at once, and what comes later is answered with a reset.
    Close,
    /// It is reset.
    Reset,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
}

/// What all requests of one step have in common, since one line of the scenario sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) method: Method,
    pub(crate) status: u16,
    pub(crate) encoding: Encoding,
    /// Whether no answer to it ever ends, so that the client must give up.
    pub(crate) stalls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
    Bom,
}

impl Step {
    /// Says whether an answer has no body, whatever its headers say (RFC 9112, 6.3).
    pub(crate) fn has_no_body(self) -> bool {
        self.method == Method::Head || matches!(self.status, 204 | 304)
    }

    /// The text that an answer to the request for `path` must contain.
    pub(crate) fn text(path: &str) -> String {
        format!("<{path}>")
    }

    fn body(self, path: &str, padding: usize) -> Vec<u8> {
        let text = format!("{}{}", Self::text(path), "x".repeat(padding));
        match self.encoding {
            _ if self.has_no_body() => Vec::new(),
            Encoding::Plain => text.into_bytes(),
            Encoding::Bom => format!("\u{feff}{text}").into_bytes(),
            // Nobody decodes it, so the head of the format is enough.
            Encoding::Gzip => [&[0x1f, 0x8b, 8, 0][..], text.as_bytes()].concat(),
        }
    }
}

/// One request: what the server does each time that it comes. The last entry is for all later times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    pub(crate) attempts: Vec<Script>,
}

/// What the server does with a request that it has read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Script {
    Http1(Http1),
    Http2(Http2),
}

/// An answer of HTTP/1.1 and its mistakes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Http1 {
    pub(crate) interim: Vec<u16>,
    pub(crate) minor: u8,
    pub(crate) connection: Option<&'static str>,
    pub(crate) framing: Framing,
    /// How many bytes more are stated than said.
    pub(crate) excess: i32,
    pub(crate) trailers: bool,
    pub(crate) padding: usize,
    pub(crate) extra: Extra,
    /// Where it stops, in thousandths.
    pub(crate) cut: Option<usize>,
    /// Where it pauses, in thousandths, and for how many milliseconds.
    pub(crate) pauses: Vec<(usize, u64)>,
    /// Milliseconds before the end.
    pub(crate) linger: u64,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    /// The same length twice, which is legal.
    Repeated,
    /// Two lengths.
    Conflicting,
    NoNumber,
    Chunked,
    BadChunk,
    /// Chunks and a length, of which the chunks count.
    Both,
    UntilClose,
}

/// What comes after the end of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    Nothing,
    Byte,
    Answer,
    /// A byte after so many milliseconds, when the client may have gone on.
    Late(u64),
}

impl Http1 {
    fn new() -> Self {
        Self {
            interim: Vec::new(),
            minor: 1,
            connection: None,
            framing: Framing::Length,
            excess: 0,
            trailers: false,
            padding: 0,
            extra: Extra::Nothing,
            cut: None,
            pauses: Vec::new(),
            linger: 0,
            end: End::Keep,
        }
    }

    fn draw(random: &mut ChaCha8Rng) -> Self {
        let mut drawn = Self::new();
        if random.random_bool(0.3) {
            drawn.framing = Framing::Chunked;
        }
        drawn.trailers = random.random_bool(0.1);
        if random.random_bool(0.2) {
            drawn.padding = random.random_range(0..20_000);
        }
        for _ in 0..random.random_range(0..4) {
            drawn.spoil(random);
        }
        drawn
    }

    fn spoil(&mut self, random: &mut ChaCha8Rng) {
        match random.random_range(0..13) {
            0 => self.interim = (0..random.random_range(1..4)).map(|_| interim(random)).collect(),
            1 => self.minor = 0,
            2 => self.connection = Some(pick(random, &["close", "keep-alive", "Keep-Alive, x"])),
            3 | 4 => {
                use Framing::{
                    BadChunk, Both, Chunked, Conflicting, NoNumber, Repeated, UntilClose,
                };
                let other = [Repeated, Conflicting, NoNumber, Chunked, BadChunk, Both, UntilClose];
                self.framing = pick(random, &other);
            }
            5 => self.excess = random.random_range(-3..4),
            6 => {
                let late = Extra::Late(random.random_range(1..4));
                self.extra = pick(random, &[Extra::Byte, Extra::Answer, late]);
            }
            7 | 8 => {
                self.cut = Some(random.random_range(0..1000));
                self.end = end(random);
            }
            9 => {
                let pause = |_| (random.random_range(0..1000), random.random_range(0..5));
                self.pauses = (0..2).map(pause).collect();
                self.pauses.sort_unstable();
            }
            10 => self.linger = random.random_range(0..5),
            _ => self.end = end(random),
        }
    }

    /// What is said: after a pause of so many milliseconds, these bytes. The last entry is what comes
    /// too late to belong to the answer.
    pub(crate) fn says(&self, step: Step, path: &str) -> (Vec<(u64, Vec<u8>)>, Option<u64>) {
        let mut says = self.answer(step, path);
        let whole = says.len();
        match self.extra {
            _ if self.cut.is_some() => {}
            Extra::Byte => says.push(b'!'),
            Extra::Answer => says.extend(Self::new().answer(step, path)),
            Extra::Nothing | Extra::Late(_) => {}
        }
        if let Some(cut) = self.cut {
            says.truncate(whole * cut / 1000);
        }
        let mut parts = Vec::new();
        let (mut from, mut pause) = (0, 0);
        for (at, next) in &self.pauses {
            // What comes after the end comes with the end.
            let at = (whole * at / 1000).min(says.len()).min(whole.saturating_sub(1)).max(from);
            parts.push((pause, says[from..at].to_vec()));
            (from, pause) = (at, *next);
        }
        parts.push((pause, says[from..].to_vec()));
        let late = match self.extra {
            Extra::Late(after) if self.cut.is_none() => Some(after),
            _ => None,
        };
        (parts, late)
    }

    fn answer(&self, step: Step, path: &str) -> Vec<u8> {
        let padding =
            if matches!(self.extra, Extra::Byte | Extra::Answer) { 0 } else { self.padding };
        let body = step.body(path, padding);
        let interim = |status| format!("HTTP/1.1 {status} Wait\r\nlink: </a>\r\n\r\n");
        let interim: String = self.interim.iter().map(interim).collect();
        let connection = self.connection.map(|option| format!("connection: {option}\r\n"));
        let encoding = match step.encoding {
            Encoding::Gzip => "content-encoding: gzip\r\n",
            Encoding::Plain | Encoding::Bom => "",
        };
        let stated = i64::try_from(body.len()).unwrap() + i64::from(self.excess);
        let length = format!("content-length: {}\r\n", stated.max(0));
        let chunked = "transfer-encoding: chunked\r\n";
        let framing = match self.framing {
            // A length would promise a body that never comes.
            Framing::Length | Framing::Repeated if step.status == 204 => String::new(),
            Framing::Length => length,
            Framing::Repeated => length.repeat(2),
            Framing::Conflicting => format!("{length}content-length: {}\r\n", stated.max(0) + 1),
            Framing::NoNumber => "content-length: +1\r\n".to_owned(),
            Framing::Chunked | Framing::BadChunk => chunked.to_owned(),
            Framing::Both => format!("{chunked}{length}"),
            Framing::UntilClose => String::new(),
        };
        let head = format!(
            "{interim}HTTP/1.{} {} OK\r\nserver: test\r\n{}{encoding}{framing}\r\n",
            self.minor,
            step.status,
            connection.unwrap_or_default()
        );
        let mut says = head.into_bytes();
        match self.framing {
            _ if step.has_no_body() => {}
            Framing::Chunked | Framing::Both => says.extend(self.chunks(&body)),
            Framing::BadChunk => says.extend(b"xyz\r\n"),
            _ => says.extend(body),
        }
        says
    }

    fn chunks(&self, body: &[u8]) -> Vec<u8> {
        let (first, second) = body.split_at(body.len() / 3);
        let mut says = Vec::new();
        for chunk in [first, second].into_iter().filter(|chunk| !chunk.is_empty()) {
            let stated = i64::try_from(chunk.len()).unwrap() + i64::from(self.excess);
            says.extend(format!("{:x};a=b\r\n", stated.max(1)).into_bytes());
            says.extend(chunk);
            says.extend(b"\r\n");
        }
        let trailers = if self.trailers { "x-sum: 1\r\nx-more: 2\r\n" } else { "" };
        says.extend(format!("0\r\n{trailers}\r\n").into_bytes());
        says
    }

    fn simpler(&self) -> Vec<Self> {
        let plain = Self::new();
        let mut simpler = vec![plain.clone()];
        let resets: [fn(&mut Self, Self); 11] = [
            |s, p| s.interim = p.interim,
            |s, p| s.minor = p.minor,
            |s, p| s.connection = p.connection,
            |s, p| s.framing = p.framing,
            |s, p| s.excess = p.excess,
            |s, p| s.trailers = p.trailers,
            |s, p| s.padding = p.padding,
            |s, p| s.extra = p.extra,
            |s, p| s.cut = p.cut,
            |s, p| s.pauses = p.pauses,
            |s, p| (s.linger, s.end) = (p.linger, p.end),
        ];
        for reset in resets {
            let mut one = self.clone();
            reset(&mut one, plain.clone());
            simpler.push(one);
        }
        simpler.retain(|one| one != self);
        simpler
    }
}

/// What is said on a stream of HTTP/2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Http2 {
    /// Whether the answer begins before the request has ended.
    pub(crate) early: bool,
    pub(crate) says: Vec<Say>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    Interim {
        status: u16,
        end: bool,
    },
    /// The head, with a length that is by so much too large, in one frame or two.
    Head {
        excess: Option<i32>,
        end: bool,
        split: bool,
    },
    /// The first half of the body, or the rest.
    Data {
        first: bool,
        end: bool,
        padded: bool,
    },
    Trailers {
        end: bool,
    },
    Reset(u32),
    GoAway {
        last: Last,
        code: u32,
    },
    Settings(u16, u32),
    /// No more than so many streams, for so many milliseconds.
    Limit(u32, u64),
    Ping,
    /// A frame of a type that nobody knows, to be ignored.
    Unknown,
    /// A window that grows by nothing, which ends the stream.
    NoWindow,
    /// Data on no stream, which ends the connection.
    Stray,
    /// The first bytes of a head.
    Part,
    Pause(u64),
}

/// The last stream that a GOAWAY promises to process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    None,
    Before,
    This,
    Any,
}

/// What a frame means to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Interim { end: bool },
    Head { length: Option<usize>, end: bool },
    Data { bytes: usize, end: bool },
    Trailers { end: bool },
    Reset(u32),
    GoAway { last: u32 },
    StreamError,
    ConnectionError,
    Nothing,
}

/// `SETTINGS_HEADER_TABLE_SIZE`, `_MAX_CONCURRENT_STREAMS`, `_INITIAL_WINDOW_SIZE`,
/// `_MAX_FRAME_SIZE` (RFC 9113, 6.5.2).
const TABLE: u16 = 1;
const STREAMS: u16 = 3;
pub(crate) const WINDOW: u16 = 4;
const FRAME: u16 = 5;

impl Http2 {
    fn new(step: Step) -> Self {
        let says = if step.has_no_body() {
            vec![Say::Head { excess: None, end: true, split: false }]
        } else {
            vec![
                Say::Head { excess: Some(0), end: false, split: false },
                Say::Data { first: true, end: false, padded: false },
                Say::Data { first: false, end: true, padded: false },
            ]
        };
        Self { early: false, says, end: End::Keep }
    }

    fn draw(random: &mut ChaCha8Rng, step: Step) -> Self {
        let mut drawn = Self::new(step);
        if random.random_bool(0.1) && !step.has_no_body() {
            drawn.says[2] = Say::Data { first: false, end: false, padded: true };
            drawn.says.push(Say::Trailers { end: random.random_bool(0.9) });
        }
        for _ in 0..random.random_range(0..4) {
            drawn.spoil(random);
        }
        drawn
    }

    fn spoil(&mut self, random: &mut ChaCha8Rng) {
        let at = random.random_range(0..=self.says.len());
        match random.random_range(0..16) {
            0 => {
                let end = random.random_bool(0.1);
                self.says.insert(0, Say::Interim { status: interim(random), end });
            }
            1 => {
                let excess = pick(random, &[None, Some(-1), Some(1), Some(0)]);
                let end = matches!(self.says.first(), Some(Say::Head { end: true, .. }));
                if matches!(self.says.first(), Some(Say::Head { .. })) {
                    self.says[0] = Say::Head { excess, end, split: random.random_bool(0.5) };
                }
            }
            2 => {
                self.says.truncate(at);
                self.end = end(random);
            }
            3 | 4 => {
                let codes = [
                    NO_ERROR,
                    PROTOCOL_ERROR,
                    INTERNAL_ERROR,
                    3,
                    4,
                    5,
                    6,
                    REFUSED_STREAM,
                    CANCEL,
                    9,
                    10,
                    ENHANCE_YOUR_CALM,
                    12,
                    13,
                    99,
                ];
                let code = pick(random, &codes);
                self.says.truncate(at);
                self.says.push(Say::Reset(code));
            }
            5 | 6 => {
                let last = pick(random, &[Last::None, Last::Before, Last::This, Last::Any]);
                let code = pick(random, &[NO_ERROR, NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM]);
                self.says.insert(at, Say::GoAway { last, code });
            }
            7 => {
                let (name, value) = pick(
                    random,
                    &[(TABLE, 0), (TABLE, 8192), (WINDOW, 0), (WINDOW, 70_000), (FRAME, 20_000)],
                );
                self.says.insert(at, Say::Settings(name, value));
            }
            8 => {
                let few = pick(random, &[0, 1, 2]);
                self.says.insert(at, Say::Limit(few, random.random_range(1..4)));
            }
            9 => self.says.insert(at, pick(random, &[Say::Ping, Say::Unknown])),
            10 => self.says.insert(
                at,
                pick(random, &[Say::NoWindow, Say::Stray, Say::Trailers { end: false }]),
            ),
            11 => self.says.insert(at, Say::Pause(random.random_range(1..5))),
            12 => self.early = true,
            13 => {
                self.says.truncate(at);
                self.says.push(Say::Part);
                self.end = End::Fin;
            }
            _ => self.end = end(random),
        }
    }

    fn simpler(&self, step: Step) -> Vec<Self> {
        let mut simpler = vec![Self::new(step)];
        for at in 0..self.says.len() {
            let mut one = self.clone();
            one.says.remove(at);
            simpler.push(one);
        }
        simpler.push(Self { early: false, ..self.clone() });
        simpler.push(Self { end: End::Keep, ..self.clone() });
        simpler.retain(|one| one != self);
        simpler
    }
}

impl Say {
    /// The frame on stream `id`, and what it means. `last` is what an earlier GOAWAY promised.
    pub(crate) fn frame(self, step: Step, path: &str, id: u32, last: u32) -> (Vec<u8>, Meaning) {
        let body = step.body(path, 0);
        let end_of = |end: bool| if end { END_STREAM } else { 0 };
        match self {
            Self::Interim { status, end } => {
                let block = frames::block(status, None);
                (
                    frames::frame(HEADERS, END_HEADERS | end_of(end), id, &block),
                    Meaning::Interim { end },
                )
            }
            Self::Head { excess, end, split } => {
                let length = excess.map(|excess| stated(body.len(), excess));
                let text = length.map(|length| length.to_string());
                let block = frames::block(step.status, text.as_deref());
                let says = if split {
                    let (first, second) = block.split_at(block.len() / 2);
                    let first = frames::frame(HEADERS, end_of(end), id, first);
                    [first, frames::frame(CONTINUATION, END_HEADERS, id, second)].concat()
                } else {
                    frames::frame(HEADERS, END_HEADERS | end_of(end), id, &block)
                };
                (says, Meaning::Head { length, end })
            }
            Self::Data { first, end, padded } => {
                let (half, rest) = body.split_at(body.len() / 2);
                let part = if first { half } else { rest };
                let meaning = Meaning::Data { bytes: part.len(), end };
                if padded {
                    let payload = [&[3], part, &[0; 3]].concat();
                    return (frames::frame(DATA, PADDED | end_of(end), id, &payload), meaning);
                }
                (frames::frame(DATA, end_of(end), id, part), meaning)
            }
            Self::Trailers { end } => {
                let block = b"\x00\x05x-sum\x011";
                (
                    frames::frame(HEADERS, END_HEADERS | end_of(end), id, block),
                    Meaning::Trailers { end },
                )
            }
            Self::Reset(code) => (frames::rst(id, code), Meaning::Reset(code)),
            Self::GoAway { last: wanted, code } => {
                let wanted = match wanted {
                    Last::None => 0,
                    Last::Before => id.saturating_sub(2),
                    Last::This => id,
                    Last::Any => u32::MAX >> 1,
                };
                // RFC 9113, 6.8: it must not grow.
                let last = wanted.min(last);
                (frames::go_away(last, code), Meaning::GoAway { last })
            }
            Self::Settings(name, value) => (settings(name, value), Meaning::Nothing),
            Self::Limit(streams, _) => (settings(STREAMS, streams), Meaning::Nothing),
            Self::Ping => (frames::frame(PING, 0, 0, &[0; 8]), Meaning::Nothing),
            Self::Unknown => (frames::frame(0xee, 0xff, id, b"?"), Meaning::Nothing),
            Self::NoWindow => (frames::frame(WINDOW_UPDATE, 0, id, &[0; 4]), Meaning::StreamError),
            Self::Stray => (frames::frame(DATA, 0, 0, b"?"), Meaning::ConnectionError),
            Self::Part => (frames::head(id, 0, None)[..7].to_vec(), Meaning::Nothing),
            Self::Pause(_) => (Vec::new(), Meaning::Nothing),
        }
    }
}

fn settings(name: u16, value: u32) -> Vec<u8> {
    frames::frame(SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// Ends a limit of streams.
pub(crate) fn unlimited() -> Vec<u8> {
    settings(STREAMS, 100)
}

fn stated(length: usize, excess: i32) -> usize {
    length.saturating_add_signed(isize::try_from(excess).unwrap())
}

fn pick<T: Copy>(random: &mut ChaCha8Rng, among: &[T]) -> T {
    *among.choose(random).unwrap()
}

fn interim(random: &mut ChaCha8Rng) -> u16 {
    pick(random, &[100, 102, 103, 103, 199])
}

fn end(random: &mut ChaCha8Rng) -> End {
    pick(random, &[End::Keep, End::Fin, End::Fin, End::Silent, End::Close, End::Reset])
}

impl Step {
    pub(crate) fn draw(random: &mut ChaCha8Rng) -> Self {
        Self {
            method: pick(
                random,
                &[Method::Get, Method::Get, Method::Get, Method::Post, Method::Head],
            ),
            status: pick(random, &[200, 200, 200, 200, 201, 204, 304]),
            encoding: pick(
                random,
                &[Encoding::Plain, Encoding::Plain, Encoding::Plain, Encoding::Gzip, Encoding::Bom],
            ),
            stalls: random.random_bool(0.015),
        }
    }
}

impl Script {
    pub(crate) fn draw(random: &mut ChaCha8Rng, protocol: Protocol, step: Step) -> Self {
        match protocol {
            Protocol::Http2 => Self::Http2(Http2::draw(random, step)),
            _ => Self::Http1(Http1::draw(random)),
        }
    }

    pub(crate) fn simpler(&self, step: Step) -> Vec<Self> {
        match self {
            Self::Http1(script) => script.simpler().into_iter().map(Self::Http1).collect(),
            Self::Http2(script) => script.simpler(step).into_iter().map(Self::Http2).collect(),
        }
    }
}
