//! Holds the crates of the harness, and the modules inside each, to one direction.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The crates from the top to the bottom: each may use those after it, and none before.
const CRATES: [(&str, &str); 5] = [
    ("workway", ""),
    ("workway-lab", "lab"),
    ("workway-cloudflare", "cloudflare"),
    ("workway-report", "report"),
    ("workway-core", "core"),
];

/// The layers of the engine from the bottom to the top: each may use those before it.
const LAYERS: [&str; 12] = [
    "model", "language", "generate", "plan", "import", "schedule", "http", "record", "check",
    "judge", "run", "gate",
];

/// What reads an answer however long it is, or follows it wherever it leads; `http::question` is the way to
/// ask. The API of Cloudflare may be behind a proxy, and has a client of its own.
const UNBOUNDED: [&str; 6] = [
    ".text().await",
    ".bytes().await",
    ".json().await",
    ".json::<",
    "reqwest::Client::builder()",
    "reqwest::get(",
];
const ASKS: [&str; 2] = ["core/src/http/question.rs", "cloudflare/src/analytics/mod.rs"];

/// The modules that each module uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src")
}

/// Returns the code of a file without its comments and its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Lists the paths behind each `crate::`, with groups in braces written out.
fn paths(code: &str) -> Vec<String> {
    let starts = code.match_indices("crate::").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    let mut found = Vec::new();
    for (at, start) in starts {
        expand(&code[at + start.len()..], "", &mut found);
    }
    found
}

/// Adds the paths at the start of `rest`, each with `prefix`; returns what is left behind them.
fn expand<'c>(rest: &'c str, prefix: &str, found: &mut Vec<String>) -> &'c str {
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            inside = inside.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match inside.chars().next() {
                None => return inside,
                Some('}') => return &inside[1..],
                Some(c) if c.is_alphanumeric() || c == '_' => {
                    inside = expand(inside, prefix, found);
                }
                Some(c) => inside = &inside[c.len_utf8()..],
            }
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    match rest.strip_prefix("::") {
        Some(more) if more.starts_with(|c: char| c == '{' || c == '_' || c.is_alphabetic()) => {
            expand(more, &format!("{prefix}{name}::"), found)
        }
        _ => {
            found.push(format!("{prefix}{name}"));
            rest
        }
    }
}

/// Reads which module of a crate uses which.
fn graph(files: &[(String, String)]) -> Graph {
    let modules: BTreeSet<_> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut graph: Graph = modules.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    for (module, text) in files {
        let used = paths(&code(text)).into_iter();
        let used = used.filter_map(|path| path.split("::").next().map(str::to_owned));
        let used = used.filter(|name| name != module && modules.contains(name));
        graph.entry(module.clone()).or_default().extend(used);
    }
    graph
}

/// Reads the files of a crate, each with the module at the root that it belongs to.
fn files(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !name.ends_with("tests") {
                let inside = path.strip_prefix(root).unwrap();
                let top = inside.components().next().unwrap().as_os_str().to_str().unwrap();
                let module = top.trim_end_matches(".rs").to_owned();
                if module != "lib" && module != "main" {
                    files.push((module, fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    files
}

/// Returns a cycle, if there is one: its modules in order.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    fn walk<'g>(
        graph: &'g Graph,
        module: &'g String,
        way: &mut Vec<&'g String>,
        done: &mut BTreeSet<&'g String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|known| *known == module) {
            return Some(way[start..].iter().map(|module| (*module).clone()).collect());
        }
        if !done.insert(module) {
            return None;
        }
        way.push(module);
        let found = graph.get(module)?.iter().find_map(|next| walk(graph, next, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| walk(graph, module, &mut Vec::new(), &mut done))
}

/// Lists the arrows that point from a layer to one above it.
fn backwards(graph: &Graph, layers: &[&str]) -> Vec<(String, String)> {
    let height = |module: &String| layers.iter().position(|layer| layer == module);
    let mut found = Vec::new();
    for (module, used) in graph {
        for other in used {
            if let (Some(from), Some(to)) = (height(module), height(other))
                && from < to
            {
                found.push((module.clone(), other.clone()));
            }
        }
    }
    found
}

#[test]
fn crates_point_one_way() {
    for (index, (name, folder)) in CRATES.iter().enumerate() {
        let manifest = source(folder).with_file_name("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains(&format!("name = \"{name}\"")), "{}", manifest.display());
        let dependencies = text.split("[dependencies]").nth(1).unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for (above, _) in &CRATES[..=index] {
            let points = dependencies.lines().any(|line| {
                line.strip_prefix(above).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            assert!(!points, "{name} depends on {above}");
        }
    }
}

#[test]
fn layers_of_the_engine_point_one_way() {
    let graph = graph(&files(&source("core")));
    let found = backwards(&graph, &LAYERS);
    assert_eq!(found, [], "these layers use a layer above them");
    let unknown: Vec<_> = graph.keys().filter(|name| !LAYERS.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "no layer is declared for {unknown:?}");
    let gone: Vec<_> = LAYERS.iter().filter(|layer| !graph.contains_key(**layer)).collect();
    assert!(gone.is_empty(), "these layers have no module: {gone:?}");
    assert_eq!(cycle(&graph), None);
}

#[test]
fn modules_of_the_other_crates_have_no_cycle() {
    for (name, folder) in &CRATES[..4] {
        assert_eq!(cycle(&graph(&files(&source(folder)))), None, "{name}");
    }
}

#[test]
fn a_cycle_that_is_made_up_is_seen() {
    let file = |module: &str, text: &str| (module.to_owned(), text.to_owned());
    let files = [
        file("a", "use crate::{b::{self, X}, d};\n"),
        file(
            "b",
            "// use crate::a;\nfn f() -> crate::c::Y {}\n#[cfg(test)]\nmod tests { crate::d }",
        ),
        file("c", "use crate::{\n    d,\n    a::Z,\n};"),
        file("d", ""),
    ];
    let graph = graph(&files);
    let uses = |module: &str| graph[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((uses("a"), uses("b"), uses("c")), (vec!["b", "d"], vec!["c"], vec!["a", "d"]));
    assert_eq!(cycle(&graph), Some(["a", "b", "c"].map(str::to_owned).to_vec()));
    let up = backwards(&graph, &["d", "c", "b", "a"]);
    assert_eq!(up, [("c".to_owned(), "a".to_owned())]);
}

/// Lists the places of the code of a crate that read an answer without a bound.
fn unbounded(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            unbounded(&path, found);
        } else if !name.ends_with("tests") && !ASKS.iter().any(|asks| path.ends_with(asks)) {
            let code = code(&fs::read_to_string(&path).unwrap());
            let whole: String = code.split_whitespace().collect();
            let bad = UNBOUNDED.iter().filter(|bad| whole.contains(*bad));
            found.extend(bad.map(|bad| format!("{}: {bad}", path.display())));
        }
    }
}

#[test]
fn no_answer_is_read_without_a_bound() {
    let mut found = Vec::new();
    for (_, folder) in CRATES {
        unbounded(&source(folder), &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}
