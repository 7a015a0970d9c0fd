//! Frames of HTTP/2 by hand (RFC 9113, 4 and 6; HPACK without its tables, RFC 7541), so that a server of
//! a test can say what no library would.

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// The bytes that a client begins with (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame that was read.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// Takes the frame at the front of `buffer`, if all of it has come.
pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Frame> {
    let start: [u8; 9] = buffer.get(..9)?.try_into().unwrap();
    let [_, a, b, kind, flags, id @ ..] = start;
    let end = 9 + usize::from(start[0]) * 65536 + usize::from(u16::from_be_bytes([a, b]));
    let payload = buffer.get(9..end)?.to_vec();
    buffer.drain(..end);
    Some(Frame { kind, flags, stream: u32::from_be_bytes(id), payload })
}

/// Writes a frame.
pub(crate) fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

/// The header block of an answer: its status, and a length if there is one.
pub(crate) fn block(status: u16, length: Option<&str>) -> Vec<u8> {
    let mut block = match status {
        200 => vec![0x88],
        // A literal whose name is the eighth of the static table, `:status`.
        _ => [&[0x08, 3], status.to_string().as_bytes()].concat(),
    };
    if let Some(length) = length {
        block.extend_from_slice(&[0x0f, 0x0d, u8::try_from(length.len()).unwrap()]);
        block.extend_from_slice(length.as_bytes());
    }
    block
}

/// The head of an answer with status 200.
pub(crate) fn head(id: u32, flags: u8, length: Option<&str>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, id, &block(200, length))
}

pub(crate) fn data(id: u32, flags: u8, text: &str) -> Vec<u8> {
    frame(DATA, flags, id, text.as_bytes())
}

pub(crate) fn rst(id: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id, &code.to_be_bytes())
}

pub(crate) fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// The path of a request, if it is made of digits and slashes. Everything else is skipped.
pub(crate) fn path(block: &[u8]) -> Option<String> {
    let mut at = 0;
    while let Some(first) = block.get(at).copied() {
        match first {
            // An indexed field, or a new size of the table.
            0x80.. => integer(block, &mut at, 7)?,
            0x20..=0x3f => integer(block, &mut at, 5)?,
            _ => {
                let name = integer(block, &mut at, if first >= 0x40 { 6 } else { 4 })?;
                if name == 0 {
                    string(block, &mut at)?;
                }
                let (value, coded) = string(block, &mut at)?;
                // The two entries of the static table that name `:path`.
                if name == 4 || name == 5 {
                    return if coded { decoded(value) } else { text(value) };
                }
                0
            }
        };
    }
    None
}

fn integer(block: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let mask = (1 << bits) - 1;
    let mut value = usize::from(*block.get(*at)?) & mask;
    *at += 1;
    let mut shift = 0;
    while value >= mask {
        let byte = *block.get(*at)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

/// The bytes of a string, and whether they are coded.
fn string<'a>(block: &'a [u8], at: &mut usize) -> Option<(&'a [u8], bool)> {
    let coded = block.get(*at)? & 0x80 != 0;
    let length = integer(block, at, 7)?;
    let value = block.get(*at..*at + length)?;
    *at += length;
    Some((value, coded))
}

fn text(value: &[u8]) -> Option<String> {
    String::from_utf8(value.to_vec()).ok()
}

/// The part of the Huffman code (RFC 7541, appendix B) that digits and slashes need.
fn decoded(value: &[u8]) -> Option<String> {
    let mut found = String::new();
    let (mut code, mut length) = (0_u32, 0);
    for bit in value.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        let symbol = match (length, code) {
            (5, 0..=2) => b'0' + u8::try_from(code).ok()?,
            (6, 0x18) => b'/',
            (6, 0x19..=0x1f) => b'3' + u8::try_from(code - 0x19).ok()?,
            (8.., _) => return None,
            _ => continue,
        };
        found.push(char::from(symbol));
        (code, length) = (0, 0);
    }
    Some(found)
}
