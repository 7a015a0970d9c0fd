//! Reads one answer out of the bytes of a connection, however they are cut. Pure.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::{Header, ParserConfig, Status};

use super::super::exchange::{MAX_BODY, Response, SendError, Wanted};
use crate::model::ErrorKind;

/// The longest head of an answer, in bytes. Servers stop at 8 to 16 KiB in requests; more than
/// this is an attack or a defect.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The most header lines of an answer: what other HTTP/1 implementations take.
pub(crate) const MAX_HEADERS: usize = 100;

/// The most interim answers (100, 103) before the final one. More than a few have no use.
pub(crate) const MAX_INTERIM: u32 = 32;

/// The longest line that states a chunk's size, extensions included, and the longest trailer, in
/// bytes.
pub(crate) const MAX_LINE: usize = 8 * 1024;

/// An answer in the making.
#[derive(Debug)]
pub(crate) struct Answer {
    state: State,
    /// Whether the request was a HEAD, whose answer has no body whatever its headers say.
    head_only: bool,
    interim: u32,
    status: StatusCode,
    headers: HeaderMap,
    keep: bool,
    body: BytesMut,
    /// Bytes of the body so far, kept or not.
    length: u64,
    reusable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The head, or an interim one, of which nothing has come.
    Head,
    /// The same, of which a part has come.
    PartialHead,
    /// A body of known length: bytes that are missing.
    Fixed(u64),
    /// The line with a chunk's size.
    ChunkSize,
    /// Bytes of a chunk that are missing.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Lines after the last chunk, of so many bytes so far.
    Trailer(usize),
    UntilClose,
    Done,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// What the headers say about the connection and the body.
#[derive(Debug, Default)]
struct Fields {
    length: Option<u64>,
    /// There is a transfer encoding, and whether the last one is `chunked`.
    chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
}

fn fault(kind: ErrorKind, detail: impl Into<String>) -> SendError {
    SendError { kind, detail: detail.into() }
}

fn malformed(detail: impl Into<String>) -> SendError {
    fault(ErrorKind::Malformed, detail)
}

impl Answer {
    /// Of which nothing has come yet.
    pub(crate) fn new(head_only: bool) -> Self {
        Self {
            state: State::Head,
            head_only,
            interim: 0,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            keep: false,
            body: BytesMut::new(),
            length: 0,
            reusable: true,
        }
    }

    /// Whether nothing is missing.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the final head is there.
    pub(crate) fn has_head(&self) -> bool {
        !matches!(self.state, State::Head | State::PartialHead)
    }

    /// Bytes of the body that are kept so far.
    pub(crate) fn kept(&self) -> usize {
        self.body.len()
    }

    /// Whether the connection may carry another request after this answer.
    pub(crate) fn is_reusable(&self) -> bool {
        self.reusable && self.is_done()
    }

    /// The connection ends with this answer, whatever its headers say.
    pub(crate) fn forbid_reuse(&mut self) {
        self.reusable = false;
    }

    /// Takes what it can from the front of `input` and says how many bytes that is. `wanted` is
    /// asked once, with the status.
    ///
    /// # Errors
    /// If this is not an answer, or one that is too large.
    pub(crate) fn take(
        &mut self,
        input: &[u8],
        wanted: &impl Fn(StatusCode) -> Wanted,
    ) -> Result<usize, SendError> {
        let mut used = 0;
        loop {
            let (state, rest) = (self.state, &input[used..]);
            let took = match state {
                State::Head | State::PartialHead => self.head(rest, wanted)?,
                State::Fixed(left) => self.fixed(rest, left)?,
                State::ChunkSize => self.chunk_size(rest)?,
                State::Chunk(left) => self.chunk(rest, left)?,
                State::ChunkEnd => self.chunk_end(rest)?,
                State::Trailer(before) => self.trailer(rest, before)?,
                State::UntilClose => self.keep(rest)?,
                State::Done => 0,
            };
            used += took;
            if took == 0 && self.state == state {
                return Ok(used);
            }
        }
    }

    /// The connection was closed by the target.
    ///
    /// # Errors
    /// If the answer needs more.
    pub(crate) fn close(&mut self) -> Result<(), SendError> {
        self.reusable = false;
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            State::Head => {
                Err(fault(ErrorKind::Closed, "the connection was closed before the answer"))
            }
            State::PartialHead => {
                Err(fault(ErrorKind::Truncated, "the connection was closed within the head"))
            }
            _ => Err(fault(ErrorKind::Truncated, "the connection was closed within the body")),
        }
    }

    /// The whole answer.
    pub(crate) fn into_response(self) -> Response {
        Response { status: self.status, headers: self.headers, body: Bytes::from(self.body) }
    }

    fn head(
        &mut self,
        input: &[u8],
        wanted: &impl Fn(StatusCode) -> Wanted,
    ) -> Result<usize, SendError> {
        if input.is_empty() {
            return Ok(0);
        }
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, input, &mut headers)
            .map_err(not_http)?;
        let Status::Complete(length) = parsed else {
            self.state = State::PartialHead;
            let too_long = input.len() >= MAX_HEAD;
            let error = || fault(ErrorKind::TooLarge, "the head has no end");
            return if too_long { Err(error()) } else { Ok(0) };
        };
        let code = response.code.unwrap_or_default();
        let status =
            StatusCode::from_u16(code).map_err(|_| malformed(format!("the status is {code}")))?;
        if status.is_informational() {
            return self.skip_interim(status).map(|()| length);
        }
        let fields = Fields::read(response.headers)?;
        self.status = status;
        let wanted = wanted(status);
        self.keep = wanted.body;
        if wanted.headers {
            self.headers = header_map(response.headers)?;
        }
        self.begin_body(&fields, response.version == Some(1))?;
        Ok(length)
    }

    fn skip_interim(&mut self, status: StatusCode) -> Result<(), SendError> {
        self.state = State::Head;
        self.interim += 1;
        if status == StatusCode::SWITCHING_PROTOCOLS || self.interim > MAX_INTERIM {
            return Err(malformed(format!("{} answers of status {status}", self.interim)));
        }
        Ok(())
    }

    fn begin_body(&mut self, fields: &Fields, modern: bool) -> Result<(), SendError> {
        let no_body = self.head_only
            || self.status == StatusCode::NO_CONTENT
            || self.status == StatusCode::NOT_MODIFIED;
        let framing = if no_body { Framing::Length(0) } else { fields.framing() };
        // RFC 9112, 6.1: a message of HTTP/1.0 with a transfer encoding may have passed somebody who
        // did not understand where it ends.
        let keeps = modern || (fields.keep_alive && fields.chunked.is_none());
        self.reusable = keeps && !fields.close && framing != Framing::Close;
        self.state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) if length > MAX_BODY as u64 => {
                return Err(SendError::too_large());
            }
            Framing::Length(length) => State::Fixed(length),
            Framing::Chunked => State::ChunkSize,
            Framing::Close => State::UntilClose,
        };
        Ok(())
    }

    fn fixed(&mut self, input: &[u8], left: u64) -> Result<usize, SendError> {
        let (took, left) = self.part(input, left)?;
        self.state = if left == 0 { State::Done } else { State::Fixed(left) };
        Ok(took)
    }

    fn chunk(&mut self, input: &[u8], left: u64) -> Result<usize, SendError> {
        let (took, left) = self.part(input, left)?;
        self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
        Ok(took)
    }

    /// Takes up to `left` bytes of the body; what was taken and what is left after it.
    fn part(&mut self, input: &[u8], left: u64) -> Result<(usize, u64), SendError> {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let took = self.keep(&input[..part])?;
        Ok((took, left - took as u64))
    }

    fn chunk_size(&mut self, input: &[u8]) -> Result<usize, SendError> {
        let Some(first) = input.first() else { return Ok(0) };
        let bad = || malformed("a chunk's size is no number");
        if !first.is_ascii_hexdigit() {
            return Err(bad());
        }
        match httparse::parse_chunk_size(input).map_err(|_| bad())? {
            Status::Complete((length, size)) => {
                self.state = if size == 0 { State::Trailer(0) } else { State::Chunk(size) };
                Ok(length)
            }
            Status::Partial if input.len() > MAX_LINE => {
                Err(malformed("a chunk's size has no end"))
            }
            Status::Partial => Ok(0),
        }
    }

    fn chunk_end(&mut self, input: &[u8]) -> Result<usize, SendError> {
        match input {
            [b'\r', b'\n', ..] => {
                self.state = State::ChunkSize;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(malformed("a chunk is longer than its size")),
        }
    }

    fn trailer(&mut self, input: &[u8], before: usize) -> Result<usize, SendError> {
        let line = input.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        if before + line.unwrap_or(input.len()) > MAX_LINE {
            return Err(fault(ErrorKind::TooLarge, "the trailer has no end"));
        }
        let Some(line) = line else { return Ok(0) };
        let empty = matches!(&input[..line], b"\n" | b"\r\n");
        self.state = if empty { State::Done } else { State::Trailer(before + line) };
        Ok(line)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<usize, SendError> {
        self.length += bytes.len() as u64;
        if self.length > MAX_BODY as u64 {
            return Err(SendError::too_large());
        }
        if self.keep {
            self.body.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }
}

impl Fields {
    fn read(headers: &[Header<'_>]) -> Result<Self, SendError> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            match name.len() {
                10 if name.eq_ignore_ascii_case("connection") => fields.connection(value),
                14 if name.eq_ignore_ascii_case("content-length") => {
                    fields.content_length(value)?;
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => fields.encoding(value),
                _ => {}
            }
        }
        Ok(fields)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// A length may be stated several times if it is the same each time.
    fn content_length(&mut self, value: &[u8]) -> Result<(), SendError> {
        for text in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let length = number(text);
            if length.is_none() || self.length.is_some_and(|before| Some(before) != length) {
                let text = String::from_utf8_lossy(value).into_owned();
                return Err(malformed(format!("the content length is `{text}`")));
            }
            self.length = length;
        }
        Ok(())
    }

    /// Only the last encoding says how the body ends.
    fn encoding(&mut self, value: &[u8]) {
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
        self.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    }

    fn framing(&self) -> Framing {
        match (self.chunked, self.length) {
            (Some(true), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length),
            _ => Framing::Close,
        }
    }
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

fn header_map(headers: &[Header<'_>]) -> Result<HeaderMap, SendError> {
    let bad = |name: &str| malformed(format!("the header `{name}` has an invalid value"));
    headers
        .iter()
        .map(|header| {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let value = HeaderValue::from_bytes(header.value);
            name.ok().zip(value.ok()).ok_or_else(|| bad(header.name))
        })
        .collect()
}

fn not_http(error: httparse::Error) -> SendError {
    match error {
        httparse::Error::TooManyHeaders => {
            fault(ErrorKind::TooLarge, format!("the head has more than {MAX_HEADERS} headers"))
        }
        error => malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
