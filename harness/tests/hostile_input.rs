//! Every command that reads a file, and every command that asks a server, against files and servers that mean
//! harm: it ends, says why in one clean text, keeps its memory, and never breaks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use crate::common::{Raw, Target};

/// Of memory, the whole process, in kB.
const MOST: u64 = 100 * 1000;
/// A command that has not ended by then never will. It is far from what any of them takes.
const NEVER: Duration = Duration::from_secs(100);
const SIZE: usize = 10 << 20;

/// What became of a command.
struct Outcome {
    code: Option<i32>,
    said: String,
    memory: u64,
}

fn outcome(folder: &Path, arguments: &[String]) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_workway"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let readers = [
        Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ]
    .map(|mut pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8(bytes).expect("what is printed is text")
        })
    });
    let status = format!("/proc/{}/status", child.id());
    let (start, mut memory) = (Instant::now(), 0);
    let code = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        assert!(start.elapsed() < NEVER, "{arguments:?} does not end");
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        memory = memory.max(now.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    };
    let said = readers.map(|reader| reader.join().unwrap()).concat();
    Outcome { code, said, memory }
}

/// Runs each of the commands, several at once, and lists what was wrong with them.
fn wrong(folder: &Path, commands: &[Vec<String>], may_pass: bool) -> Vec<String> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(arguments) = commands.get(next.fetch_add(1, SeqCst)) {
                    let Outcome { code, said, memory } = outcome(folder, arguments);
                    let wrong = match code {
                        Some(0) if !may_pass => "it passed",
                        Some(0..=9) if said.trim().is_empty() => "it said nothing",
                        Some(0..=9) if said.contains("panicked") => "it panicked",
                        Some(0..=9) if memory >= MOST => "it took too much memory",
                        Some(0..=9) if said.len() > 200_000 => "it said too much",
                        Some(0..=9) if said.contains(is_unclean) => "it printed control characters",
                        Some(0..=9) => continue,
                        _ => "it broke",
                    };
                    let beginning: String = said.chars().take(300).collect();
                    let what =
                        format!("{arguments:?}: {wrong}: {code:?}, {memory} kB: {beginning}");
                    found.lock().unwrap().push(what);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Returns whether a terminal would do something else than show this character.
fn is_unclean(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}')
}

fn repeated(text: &str) -> Vec<u8> {
    text.repeat(SIZE / text.len()).into_bytes()
}

/// Files, by what is wrong with them. None is anything that a command could take.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, middle: &str, close: &str, levels: usize| {
        format!("{}{middle}{}", open.repeat(levels), close.repeat(levels)).into_bytes()
    };
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}", level - 1);
        let nine = [before.as_str(); 9].join(", ");
        aliases.extend([format!("a{level}: &a{level} [{nine}]\n")]);
    }
    let utf16: Vec<u8> = "scenario: a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("empty", Vec::new()),
        ("zeros", vec![0; SIZE]),
        ("no-text", (0..SIZE).map(|at| u8::try_from(at * 31 % 251).unwrap() | 0x80).collect()),
        ("utf-16", [vec![0xff, 0xfe], utf16].concat()),
        ("bom-only", vec![0xef, 0xbb, 0xbf]),
        ("opening-brackets", repeated("[")),
        ("opening-members", repeated("{\"a\":")),
        ("opening-tags", repeated("- - - - ")),
        ("whole-brackets", deep("[", "1", "]", SIZE / 2)),
        ("whole-members", deep("{\"openapi\":", "1", "}", 100_000)),
        ("digits", repeated("9")),
        ("exponent", b"{\"openapi\": 1e999999999, \"log\": 1e999999999, \"scenario\": 1e999999999}".to_vec()),
        ("one-string", [b"\"".to_vec(), repeated("x"), b"\"".to_vec()].concat()),
        ("one-line", repeated("a")),
        ("many-lines", repeated("a: b\n")),
        ("many-documents", repeated("---\na: b\n")),
        ("aliases", aliases.into_bytes()),
        ("quotes", repeated("\"\\")),
        ("escapes", [b"{\"\\u001b[31m\": \"".to_vec(), repeated("\\u202e"), b"\"}".to_vec()].concat()),
        ("controls", "\u{1b}]0;x\u{7}\u{202e}scenario: \u{9b}31m\n".repeat(1000).into_bytes()),
        ("many-keys", {
            let members: Vec<_> = (0..300_000).map(|n| format!("\"k{n}\":{n}")).collect();
            format!("{{{}}}", members.join(",")).into_bytes()
        }),
        ("openapi-paths", {
            let paths: Vec<_> = (0..60_000).map(|n| format!("\"/{n}\":{{\"get\":7}}")).collect();
            format!("{{\"openapi\":\"3.0.0\",\"paths\":{{{}}}}}", paths.join(",")).into_bytes()
        }),
        (
            "openapi-cycle",
            br##"{"openapi":"3.0.0","info":{"title":"a","version":"1"},"paths":{"$ref":"#/paths"},"components":{"schemas":{"a":{"$ref":"#/components/schemas/b"},"b":{"allOf":[{"$ref":"#/components/schemas/a"},{"$ref":"#/components/schemas/a"}]}}}}"##.to_vec(),
        ),
        ("har-entries", {
            let entries = vec!["{\"request\":{\"url\":\"http://127.0.0.1/\",\"method\":7}}"; 50_000].join(",");
            format!("{{\"log\":{{\"entries\":[{entries}]}}}}").into_bytes()
        }),
        ("report-of-nothing", br#"{"schema_version":2,"kind":"run","scenarios":[{"name":"a"}]}"#.to_vec()),
        ("report-of-much", {
            let one = "{\"name\":\"a\",\"verdict\":\"pass\",\"total\":{\"scheduled\":1e18}}";
            format!("{{\"schema_version\":2,\"scenarios\":[{}]}}", vec![one; 50_000].join(",")).into_bytes()
        }),
    ]
}

#[test]
fn no_file_breaks_a_command_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = Vec::new();
    for (name, bytes) in files() {
        for extension in ["yaml", "json"] {
            let path = folder.path().join(format!("{name}.{extension}"));
            fs::write(&path, &bytes).unwrap();
            paths.push(path);
        }
    }
    let fifo = folder.path().join("fifo.yaml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let to_itself = folder.path().join("loop.yaml");
    std::os::unix::fs::symlink(&to_itself, &to_itself).unwrap();
    paths.extend([
        fifo,
        to_itself,
        folder.path().join("absent.yaml"),
        "/dev/zero".into(),
        "/proc/kmsg".into(),
    ]);
    let reading: [&[&str]; 10] = [
        &["check"],
        &["list"],
        &["run", "--target", "http://127.0.0.1:9"],
        &["report"],
        &["compare"],
        &["cost"],
        &["import", "openapi"],
        &["import", "har"],
        &["gate", "--base", "http://127.0.0.1:9", "--head", "http://127.0.0.1:9"],
        &["merge"],
    ];
    let command = |words: &[&str], path: &Path| {
        let mut command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        command.push(path.display().to_string());
        if words == ["merge"] {
            command.push(path.display().to_string());
        }
        command
    };
    let commands: Vec<_> =
        reading.iter().flat_map(|words| paths.iter().map(|path| command(words, path))).collect();
    let wrong = wrong(folder.path(), &commands, false);
    println!("{} commands", commands.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), commands.len(), wrong.join("\n"));
}

/// A load of one request a second, which a gate and a run take.
const SCENARIO: &str = "\
scenario: hostile/any
load:
  profile: { constant: { rate: 5/s, for: 400ms } }
  drain: 300ms
  journeys: { hit: { steps: [{ request: { get: /, timeout: 300ms } }] } }
";
const STEPS: &str = "\
scenario: hostile/steps
steps:
  - request: { get: /, timeout: 1s, expect: { status: 200, json: { a: 1 } } }
";

#[test]
fn no_server_breaks_a_command_that_asks_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("load.yaml"), SCENARIO).unwrap();
    fs::write(folder.path().join("steps.yaml"), STEPS).unwrap();
    let first = |bytes: &[u8]| Raw { first: bytes.to_vec(), ..Raw::default() };
    let then = |bytes: &[u8], again: &[u8], pause: u64| Raw {
        again: again.to_vec(),
        pause: Duration::from_millis(pause),
        ..first(bytes)
    };
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let chunked = [head.as_slice(), b"transfer-encoding: chunked\r\n\r\n"].concat();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'['; 0x10000], b"\r\n"].concat();
    let events = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let to_itself = b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
    let servers = [
        ("says nothing", then(b"", b"x", 3_600_000)),
        ("closes", first(b"")),
        ("garbage", first(b"\x1b[31m\x00\x01\x02 what\r\n\r\n")),
        ("endless headers", then(head, b"x: y\r\n", 0)),
        ("slow headers", then(head, b"x", 50)),
        ("endless body", then(&chunked, &chunk, 0)),
        ("a byte at a time", then(&chunked, b"1\r\n{\r\n", 50)),
        (
            "continue without end",
            then(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
        ),
        ("events without end", then(events, b"data: x\n\n", 20)),
        ("redirects to itself", Raw { answers: true, ..first(to_itself) }),
    ];
    let connections = Arc::new(AtomicU64::new(0));
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut targets = Vec::new();
    for (_, raw) in servers {
        let target = Target::raw(raw, Arc::clone(&connections));
        let url = format!("http://{}", target.address);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        commands.push(words(&["run", "load.yaml", "--target", &url]));
        commands.push(words(&["run", "steps.yaml", "--target", &url]));
        commands.push(words(&["doctor", "--target", &url]));
        commands.push(words(&["edge", &url]));
        let gate = ["gate", "--base", &url, "--head", &url, "--pairs", "4", "--window", "500ms"];
        commands.push(words(&[gate.as_slice(), &["--warmup", "100ms", "load.yaml"]].concat()));
        targets.push(target);
    }
    // A machine may have everything that `doctor` looks for.
    let wrong = wrong(folder.path(), &commands, true);
    println!("{} commands, {} connections", commands.len(), connections.load(SeqCst));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), commands.len(), wrong.join("\n"));
}
