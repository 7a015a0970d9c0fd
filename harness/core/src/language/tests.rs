//! The loader as a whole: it answers whatever it is given, in reasonable time.

use proptest::prelude::*;

use super::{MAX_ERRORS, MAX_FILE_BYTES, render};
use crate::plan::load;

const VALID: [&str; 3] = [
    include_str!("../../../../fixtures/scenarios/lifecycle.yaml"),
    include_str!("../../../../fixtures/scenarios/load.yaml"),
    include_str!("../../../../fixtures/scenarios/minimal.yaml"),
];

/// Words that the language knows, and signs that YAML does.
const PIECES: [&str; 48] = [
    "scenario: a/b\n",
    "steps:\n",
    "  - request:\n",
    "      get: /w\n",
    "load:",
    "journeys:",
    "users:",
    "vars:",
    "thresholds:\n",
    "  - p95(a) < 1s\n",
    "expect:",
    "capture:",
    "until:",
    "burst:",
    "wait: 1s\n",
    "status: 200\n",
    "${{",
    "}}",
    " uuid ",
    "$.a[",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "- ",
    "\n",
    "  ",
    "\t",
    "&a",
    "*a",
    "!!str",
    "<<:",
    "? ",
    "|",
    ">",
    "'",
    "\"",
    "\\",
    "#",
    "---\n",
    "...\n",
    "yes",
    ".nan",
    "1e999",
    "ü",
    "\u{FEFF}",
];

/// Loads and renders; the result must be coherent whatever it is.
fn answers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let diagnostics = match load("f.yaml", bytes, &crate::plan::Catalog::default()) {
        Ok((_, warnings)) => warnings,
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            errors
        }
    };
    assert!(diagnostics.len() <= MAX_ERRORS + 1);
    for diagnostic in &diagnostics {
        let span = diagnostic.span;
        assert!(span.line >= 1 && span.column >= 1 && span.start <= span.end, "{diagnostic:?}");
    }
    assert_eq!(render(&diagnostics, "f.yaml", &text, false).is_empty(), diagnostics.is_empty());
}

/// `text` with a range of it replaced.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(&VALID[..]);
    let insert = prop_oneof![
        Just(Vec::new()),
        prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    let change = (any::<prop::sample::Index>(), 0..20_usize, insert);
    (text, prop::collection::vec(change, 1..4)).prop_map(|(text, changes)| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, length, insert) in changes {
            let start = at.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, insert);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        answers(text.as_bytes());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answers(&bytes);
    }

    #[test]
    fn any_sequence_of_pieces(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        answers(pieces.concat().as_bytes());
    }

    #[test]
    fn valid_scenarios_with_damage(bytes in mutated()) {
        answers(&bytes);
    }
}

/// `start`, then `repeated` with `#` replaced by a number, up to the size limit, then `end`.
fn fill(start: &str, repeated: &str, end: &str) -> String {
    let mut text = start.to_owned();
    let room = MAX_FILE_BYTES - end.len() - repeated.len() - 8;
    for number in 0.. {
        if text.len() > room {
            break;
        }
        text.push_str(&repeated.replace('#', &number.to_string()));
    }
    text + end
}

/// The largest files of the kinds that could take more than linear time. They take a second
/// together in a release build; a test that needs minutes has found a defect.
#[test]
fn the_largest_files() {
    let work = "steps: [{ request: { get: / } }]\n";
    for (start, repeated, end) in [
        ("scenario: a/b\n", "k#: 1\n", ""),
        ("{ scenario: a/b, ", "k#: yes, ", "}"),
        ("scenario: a/b\nsteps: [", "{ request: { get: / } }, ", "]\n"),
        ("scenario: a/b\nvars: { ", "v#: \"${{ nobody }}\", ", "}\n"),
        ("scenario: a/b\nusers: { ", "u#: {}, ", "}\n"),
        ("scenario: a/b\nvars: { x: [", "{ ü: 1 }, ", "] }\n"),
        ("scenario: a/b\nthresholds: [", "p1(x#) < 1s, ", "]\n"),
    ] {
        answers(
            (fill(start, repeated, end) + if start.contains("steps") { "" } else { work })
                .as_bytes(),
        );
    }
}
