use proptest::prelude::*;

use super::*;

const ALL: Wanted = Wanted { headers: true, body: true };

/// What came out of an answer: everything that a caller can see.
type Seen = Result<(u16, Vec<(String, String)>, Bytes, bool), ErrorKind>;

/// Feeds `bytes` in parts that end at `cuts`, then closes if `closes`.
fn read(bytes: &[u8], cuts: &[usize], head_only: bool, closes: bool) -> Seen {
    let mut answer = Answer::new(head_only);
    let mut input = Vec::new();
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        input.extend_from_slice(&bytes[start..end]);
        start = end;
        let used = answer.take(&input, &|_| ALL).map_err(|error| error.kind)?;
        input.drain(..used);
    }
    if closes && !answer.is_done() {
        answer.close().map_err(|error| error.kind)?;
    }
    if !answer.is_done() {
        return Err(ErrorKind::Timeout);
    }
    if !input.is_empty() {
        return Err(ErrorKind::Malformed);
    }
    let reusable = answer.is_reusable();
    let response = answer.into_response();
    let headers = response.headers.iter();
    let headers = headers.map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Ok((response.status.as_u16(), headers.collect(), response.body, reusable))
}

fn body(head: &str) -> Result<(Vec<u8>, bool), ErrorKind> {
    read(head.as_bytes(), &[], false, true).map(|(_, _, body, reusable)| (body.to_vec(), reusable))
}

#[test]
fn how_bodies_end_as_a_table() {
    use ErrorKind::{Malformed, TooLarge, Truncated};
    let too_long = format!("HTTP/1.1 200 \r\ncontent-length: {}\r\n\r\n", MAX_BODY + 1);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
    let ok = |text: &str, reusable| Ok((text.as_bytes().to_vec(), reusable));
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned(), ok("hi", true)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi".to_owned(), ok("hi", true)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nhi".into(),
            ok("hi", false),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end".to_owned(), ok("until the end", false)),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n".to_owned(), ok("", true)),
        ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), ok("", true)),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned(), ok("hi", false)),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi".to_owned(),
            ok("hi", true),
        ),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\n\r\n"
                .to_owned(),
            ok("hi", false),
        ),
        (
            "HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nlink: x\r\n\r\nHTTP/1.1 204 \r\n\r\n".into(),
            ok("", true),
        ),
        (
            format!("{chunked}2\r\nhi\r\nA;x=y\r\n0123456789\r\n0\r\nt: 1\r\n\r\n"),
            ok("hi0123456789", true),
        ),
        (format!("{chunked}0\r\n\r\n"), ok("", true)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi".to_owned(), Err(Truncated)),
        (format!("{chunked}2\r\nhi\r\n"), Err(Truncated)),
        (format!("{chunked}2\r\nhi!"), Err(Malformed)),
        (format!("{chunked}x\r\n"), Err(Malformed)),
        (format!("{chunked}\r\n"), Err(Malformed)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!".to_owned(), Err(Malformed)),
        ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_owned(), Err(Malformed)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n".to_owned(), Err(Malformed)),
        ("HTTP/1.1 101 Switching\r\n\r\n".to_owned(), Err(Malformed)),
        ("HTTP/9.9 200 OK\r\n\r\n".to_owned(), Err(Malformed)),
        (too_long, Err(TooLarge)),
        (String::new(), Err(ErrorKind::Closed)),
    ] {
        assert_eq!(body(&answer), expected, "{answer:?}");
    }
}

#[test]
fn the_answer_to_a_head_has_no_body() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let (.., reusable) = read(answer, &[], true, false).unwrap();
    assert!(reusable);
}

#[test]
fn limits_and_one_past_them() {
    let interim = |count: u32| {
        let many = "HTTP/1.1 100 \r\n\r\n".repeat(usize::try_from(count).unwrap());
        body(&format!("{many}HTTP/1.1 204 \r\n\r\n")).map(|_| ())
    };
    assert_eq!(interim(MAX_INTERIM), Ok(()));
    assert_eq!(interim(MAX_INTERIM + 1), Err(ErrorKind::Malformed));
    let headers = |count: usize| {
        body(&format!("HTTP/1.1 204 \r\n{}\r\n", "a: b\r\n".repeat(count))).map(|_| ())
    };
    assert_eq!(headers(MAX_HEADERS), Ok(()));
    assert_eq!(headers(MAX_HEADERS + 1), Err(ErrorKind::TooLarge));
    let unfinished = |length: usize| {
        let head = format!("HTTP/1.1 200 \r\na: {}", "b".repeat(length - 18));
        read(head.as_bytes(), &[], false, false).unwrap_err()
    };
    assert_eq!(unfinished(MAX_HEAD - 1), ErrorKind::Timeout);
    assert_eq!(unfinished(MAX_HEAD), ErrorKind::TooLarge);
    let trailer = |length: usize| {
        let head = "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
        // Without the line of the end.
        body(&format!("{head}a: {}\r\n\r\n", "b".repeat(length - 7))).map(|_| ())
    };
    assert_eq!(trailer(MAX_LINE), Ok(()));
    assert_eq!(trailer(MAX_LINE + 1), Err(ErrorKind::TooLarge));
    let chunk_line = |length: usize| {
        let head = "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n";
        let text = format!("{head}1;{}", "x".repeat(length - 2));
        read(text.as_bytes(), &[], false, false).unwrap_err()
    };
    assert_eq!(chunk_line(MAX_LINE), ErrorKind::Timeout);
    assert_eq!(chunk_line(MAX_LINE + 1), ErrorKind::Malformed);
    let whole = |length: usize| {
        let mut bytes = b"HTTP/1.1 200 \r\n\r\n".to_vec();
        bytes.resize(bytes.len() + length, b'x');
        read(&bytes, &[], false, true).map(|(_, _, body, _)| body.len())
    };
    assert_eq!(whole(MAX_BODY), Ok(MAX_BODY));
    assert_eq!(whole(MAX_BODY + 1), Err(ErrorKind::TooLarge));
}

fn framed() -> impl Strategy<Value = Vec<u8>> {
    let content = prop::collection::vec(any::<u8>(), 0..200);
    (content, prop::collection::vec(1usize..50, 0..8), 0..4).prop_map(|(content, sizes, how)| {
        let mut out = b"HTTP/1.1 200 OK\r\nserver: x\r\n".to_vec();
        if how == 0 {
            out.extend(format!("content-length: {}\r\n\r\n", content.len()).bytes());
            out.extend(&content);
            return out;
        }
        if how == 1 {
            out.extend(b"\r\n");
            out.extend(&content);
            return out;
        }
        out.extend(b"transfer-encoding: chunked\r\n\r\n");
        let mut rest = content.as_slice();
        for size in sizes {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            if !chunk.is_empty() {
                out.extend(format!("{:x};e\r\n", chunk.len()).bytes());
                out.extend(chunk);
                out.extend(b"\r\n");
            }
        }
        out.extend(if how == 2 { b"0\r\n\r\n".as_slice() } else { b"0\r\nt: u\r\n\r\n" });
        out
    })
}

proptest! {
    #[test]
    fn cuts_change_nothing(bytes in framed(), cuts in prop::collection::vec(any::<usize>(), 0..30)) {
        let whole = read(&bytes, &[], false, true);
        prop_assert!(whole.is_ok());
        prop_assert_eq!(read(&bytes, &cuts, false, true), whole);
    }

    #[test]
    fn cuts_change_nothing_of_garbage(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            (framed(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }),
        ],
        cuts in prop::collection::vec(any::<usize>(), 0..30),
    ) {
        let whole = read(&bytes, &[], false, true);
        prop_assert_eq!(read(&bytes, &cuts, false, true), whole);
    }
}
