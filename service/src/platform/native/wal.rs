//! Reads the write-ahead log of SQLite: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.
//!
//! SQLite takes a log up to the first frame whose checksum is wrong and forgets the rest without a word:
//! after a power cut that is the end of an unfinished write. If frames of the same generation follow,
//! however, they had been written, and a frame before them is no longer what it was.

use std::io::{self, ErrorKind, Read};

/// The magic number without its lowest bit, which says how checksums read words.
const MAGIC: u32 = 0x377f_0682;
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The largest page of SQLite, in bytes.
const MAX_PAGE_BYTES: usize = 65_536;

/// Returns the number of the first frame that is not what was written though others follow, from 1; 0 if
/// the header is not. The last frame may be unfinished, so that damage to it alone is not seen.
///
/// # Errors
/// Those of `log`.
pub(super) fn first_damaged(mut log: impl Read) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER_BYTES];
    if !filled(&mut log, &mut header)? {
        return Ok(None);
    }
    let mut checksum = Checksum { words: (0, 0), big_endian: word(&header, 0) & 1 == 1 };
    checksum.add(&header[..24]);
    let page = usize::try_from(word(&header, 8)).unwrap_or(usize::MAX);
    let known = word(&header, 0) & !1 == MAGIC && (512..=MAX_PAGE_BYTES).contains(&page);
    if !known || checksum.words != (word(&header, 24), word(&header, 28)) {
        return Ok(Some(0));
    }
    let salts = (word(&header, 16), word(&header, 20));
    let mut frame = vec![0; FRAME_HEADER_BYTES + page];
    let (mut number, mut damaged) = (0, None);
    while filled(&mut log, &mut frame)? {
        number += 1;
        let current = (word(&frame, 8), word(&frame, 12)) == salts;
        if let Some(first) = damaged.filter(|_| current) {
            return Ok(Some(first));
        }
        if damaged.is_none() {
            checksum.add(&frame[..8]);
            checksum.add(&frame[FRAME_HEADER_BYTES..]);
            let whole = checksum.words == (word(&frame, 16), word(&frame, 20));
            damaged = (!current || !whole).then_some(number);
        }
    }
    Ok(None)
}

/// Returns the big-endian word at a place that is inside.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Reads the whole buffer, or returns false at the end.
fn filled(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Checksum {
    words: (u32, u32),
    big_endian: bool,
}

impl Checksum {
    /// Adds bytes, a multiple of eight of them.
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let read = |at| {
                let word = word(pair, at);
                if self.big_endian { word } else { word.swap_bytes() }
            };
            let (first, second) = self.words;
            let first = first.wrapping_add(read(0)).wrapping_add(second);
            self.words = (first, second.wrapping_add(read(4)).wrapping_add(first));
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// The log of a database that was not closed, after `writes` transactions.
    fn log(writes: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        for _ in 0..writes {
            connection.execute_batch("INSERT INTO t VALUES (randomblob(3000))").unwrap();
        }
        std::fs::read(folder.path().join("d-wal")).unwrap()
    }

    #[test]
    fn a_bit_that_flipped_anywhere_but_in_the_last_frame_is_seen() {
        let log = log(6);
        assert_eq!(first_damaged(&log[..]).unwrap(), None);
        let frame = FRAME_HEADER_BYTES + 4096;
        let frames = (log.len() - HEADER_BYTES) / frame;
        assert!(frames > 6 && (log.len() - HEADER_BYTES).is_multiple_of(frame), "{}", log.len());
        for at in (0..log.len()).step_by(97).chain([0, 5, 24, 31, 32, 40, 48, 55, 56]) {
            let mut flipped = log.clone();
            flipped[at] ^= 1;
            let number = at.checked_sub(HEADER_BYTES).map_or(0, |at| at / frame + 1);
            let expected = (number < frames).then_some(number as u64);
            assert_eq!(first_damaged(&flipped[..]).unwrap(), expected, "byte {at}");
        }
    }

    /// A process may die within a write, and a log is written again from its beginning.
    #[test]
    fn what_a_dead_process_leaves_is_not_damage() {
        let whole = log(6);
        for length in [0, 1, 31, 32, 33, 60, 4151, 4152, 4153, whole.len() - 1] {
            assert_eq!(first_damaged(&whole[..length]).unwrap(), None, "{length}");
        }
        // Frames of an earlier generation lie behind those of this one.
        let mut again = log(2);
        let earlier = &whole[again.len()..];
        again.extend_from_slice(earlier);
        assert_eq!(first_damaged(&again[..]).unwrap(), None);
    }
}
