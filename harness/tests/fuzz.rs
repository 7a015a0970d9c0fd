//! Scenario files that somebody might have typed: those of the repository with mistakes in them.
//! Whatever is in a file, reading it ends soon, with a plan or with errors that have a place in it.
//!
//! `WORKWAY_FUZZ_SECONDS` says how long it goes on, `WORKWAY_SEED` from where; a seed that fails is
//! printed with the file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use workway::language::{MAX_ERRORS, discover, render};
use workway::plan::load;

/// A second is a thousand times what a file takes here.
const SOON: Duration = Duration::from_secs(10);

/// How long it goes on when nobody says.
const SECONDS: u64 = 5;

/// What is put into a file: what means something in the language, and what hardly ever does.
const PIECES: [&str; 52] = [
    "\n",
    "\t",
    " ",
    "  ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ",",
    "#",
    "&a ",
    "*a",
    "!!map ",
    "|",
    ">",
    "? ",
    "<<: ",
    "---",
    "...",
    "%YAML 1.1\n",
    "null",
    "~",
    "yes",
    "-1",
    "1e400",
    "99999999999999999999",
    "0x10",
    "\u{feff}",
    "\0",
    "\u{202e}",
    "😀",
    "${{",
    "}}",
    "${{ run }}",
    "${{ x.y.0 }}",
    "10s",
    "5 parsecs",
    "steps:",
    "request:",
    "model:",
    "generate:",
    "expect: {}",
    "$.a[?@.b==1]",
    "$[",
    "count: 0",
    "rate-limit:",
    "runs:",
    "status: { in: [] }",
];

#[derive(Clone, Debug)]
enum Mistake {
    /// A piece is put in.
    Insert(Index, usize),
    /// Characters are left out.
    Delete(Index, usize),
    /// A line is there twice.
    Repeat(Index),
    /// Two lines change places.
    Swap(Index, Index),
    /// A line is indented by so much more or less.
    Indent(Index, i8),
    /// A line of another file stands here.
    Splice(Index, Index, Index),
    /// The rest is missing.
    Cut(Index),
    /// A byte is another.
    Byte(Index, u8),
    /// A piece many times.
    Flood(Index, usize, usize),
}

fn mistake() -> impl Strategy<Value = Mistake> {
    let at = any::<Index>;
    let piece = 0..PIECES.len();
    prop_oneof![
        4 => (at(), piece.clone()).prop_map(|(at, piece)| Mistake::Insert(at, piece)),
        2 => (at(), 1..9usize).prop_map(|(at, count)| Mistake::Delete(at, count)),
        1 => at().prop_map(Mistake::Repeat),
        1 => (at(), at()).prop_map(|(one, other)| Mistake::Swap(one, other)),
        2 => (at(), -4..=4i8).prop_map(|(at, by)| Mistake::Indent(at, by)),
        3 => (at(), at(), at()).prop_map(|(at, file, line)| Mistake::Splice(at, file, line)),
        1 => at().prop_map(Mistake::Cut),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Mistake::Byte(at, byte)),
        1 => (at(), piece, 1..2000usize)
            .prop_map(|(at, piece, times)| Mistake::Flood(at, piece, times)),
    ]
}

/// A file of the repository.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["scenarios", "fixtures/scenarios", "fixtures/bad-scenarios"];
    let paths = discover(&folders.map(|folder| root.join(folder))).unwrap();
    paths.into_iter().map(|path| File { bytes: fs::read(&path).unwrap(), path }).collect()
}

fn make(bytes: &mut Vec<u8>, mistake: &Mistake, files: &[File]) {
    let at = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
    match mistake {
        Mistake::Insert(index, piece) => {
            let at = at(index, bytes);
            bytes.splice(at..at, PIECES[*piece].bytes());
        }
        Mistake::Flood(index, piece, times) => {
            let at = at(index, bytes);
            bytes.splice(at..at, PIECES[*piece].repeat(*times).bytes());
        }
        Mistake::Delete(index, count) => {
            let at = at(index, bytes);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
        Mistake::Cut(index) => bytes.truncate(at(index, bytes)),
        Mistake::Byte(index, byte) => {
            let at = at(index, bytes);
            if let Some(found) = bytes.get_mut(at) {
                *found = *byte;
            }
        }
        other => {
            let mut lines: Vec<Vec<u8>> =
                bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            lines_with(&mut lines, other, files);
            *bytes = lines.join(&b'\n');
        }
    }
}

fn lines_with(lines: &mut Vec<Vec<u8>>, mistake: &Mistake, files: &[File]) {
    match mistake {
        Mistake::Repeat(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at].clone());
        }
        Mistake::Swap(one, other) => {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
        }
        Mistake::Indent(at, by) => {
            let line = at.get_mut(lines);
            for _ in 0..by.unsigned_abs() {
                if *by > 0 {
                    line.insert(0, b' ');
                } else if line.first() == Some(&b' ') {
                    line.remove(0);
                }
            }
        }
        Mistake::Splice(at, file, line) => {
            let theirs: Vec<&[u8]> = file.get(files).bytes.split(|byte| *byte == b'\n').collect();
            let at = at.index(lines.len());
            lines.insert(at, line.get(&theirs).to_vec());
        }
        _ => {}
    }
}

/// What is wrong with how a file is read, if anything is.
fn wrong(path: &Path, bytes: &[u8]) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how long a test takes")]
    let started = Instant::now();
    let name = path.display().to_string();
    let found = catch_unwind(AssertUnwindSafe(|| {
        let found = load(&name, bytes, &workway::catalog());
        let errors = match &found {
            Ok((_, warnings)) => warnings,
            Err(errors) => errors,
        };
        let text = String::from_utf8_lossy(bytes);
        let shown = render(errors, &name, &text, false);
        if found.is_err() && shown.trim().is_empty() {
            return Some("errors that say nothing".to_owned());
        }
        if errors.len() > MAX_ERRORS + 1 {
            return Some(format!("{} errors", errors.len()));
        }
        let ends = |error: &&workway::language::Diagnostic| {
            let span = error.span;
            let lines = text.split(['\n', '\r']).count();
            span.start > span.end || span.end > text.len() || !(1..=lines + 1).contains(&span.line)
        };
        errors.iter().find(ends).map(|error| format!("a place outside the file: {error:?}"))
    }));
    let found = found.unwrap_or_else(|_| Some("a panic".to_owned()));
    found.or_else(|| (started.elapsed() > SOON).then(|| format!("{:?}", started.elapsed())))
}

#[test]
fn whatever_is_in_a_file_it_is_read_soon_and_errors_have_a_place() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let until = Duration::from_secs(number("WORKWAY_FUZZ_SECONDS").unwrap_or(SECONDS));
    let seed = number("WORKWAY_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, random);
    let files = files();
    let strategy = (any::<Index>(), prop::collection::vec(mistake(), 0..6));
    #[expect(clippy::disallowed_methods, reason = "how long a test takes")]
    let started = Instant::now();
    let mut tried = 0;
    while started.elapsed() < until {
        let mut tree = strategy.new_tree(&mut runner).unwrap();
        let judge = |(file, mistakes): (Index, Vec<Mistake>)| {
            let File { path, bytes } = file.get(&files);
            let mut bytes = bytes.clone();
            for mistake in &mistakes {
                make(&mut bytes, mistake, &files);
            }
            wrong(path, &bytes).map(|what| (what, path.clone(), bytes))
        };
        tried += 1;
        let Some(mut simplest) = judge(tree.current()) else { continue };
        let mut failed = true;
        while if failed { tree.simplify() } else { tree.complicate() } {
            let found = judge(tree.current());
            failed = found.is_some();
            simplest = found.unwrap_or(simplest);
        }
        let (what, path, bytes) = simplest;
        let text = String::from_utf8_lossy(&bytes);
        panic!(
            "{what}, after {tried} files from seed {seed}: {}:\n{text:?}\n{text}",
            path.display()
        );
    }
    // N of N: with none wrong, fewer than 3/N of such files are, at 95 %.
    println!("{tried} of {tried} files were read rightly, from seed {seed}");
    assert!(tried > 0);
}
