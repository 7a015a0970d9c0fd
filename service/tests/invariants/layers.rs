//! The order of the top-level modules: each uses only modules before it, so there is no cycle.
//!
//! The graph is read from the source. Every path that begins with `crate::`, or with enough `super::` to
//! reach the root, is an arrow, whether it stands in a `use` item or inside an expression. Comments,
//! literals and code under `#[cfg(test)]` do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    iter::Peekable,
    path::Path,
};

use regex::Regex;

/// The modules of `service/src` from the bottom up.
const ORDER: [&str; 15] = [
    "domain",
    "ports",
    "config",
    "sentry",
    "store",
    "ai",
    "identity",
    "backup",
    "engine",
    "objects",
    "app",
    "guard",
    "routes",
    "scheduled",
    "platform",
];

/// The top-level modules that each top-level module uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The source of a crate: returns the text of a file, by its path below `src`.
type Source<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Splits code into identifiers and single characters. Comments and literals are left out.
fn tokens(text: &str) -> Vec<String> {
    let comment = r"//[^\n]*|/\*.*?\*/";
    let string = r##"b?r#+".*?"#+|b?r"[^"]*"|b?"(?:\\.|[^"\\])*""##;
    let character = r"b?'(?:\\[^']+|[^'\\])'";
    let kept = r"(?P<kept>\w+|\S)";
    let token = Regex::new(&format!("(?s){comment}|{string}|{character}|{kept}")).unwrap();
    let kept = token.captures_iter(text).filter_map(|found| found.name("kept"));
    kept.map(|kept| kept.as_str().to_owned()).collect()
}

/// Leaves items out that are compiled for tests alone.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let (mut kept, mut rest) = (Vec::new(), tokens.into_iter().peekable());
    while let Some(token) = rest.next() {
        if token != "#" {
            kept.push(token);
            continue;
        }
        let attribute = delimited(&mut rest);
        let names = |name: &str| attribute.iter().any(|token| token == name);
        if names("cfg") && names("test") && !names("any") {
            skip_item(&mut rest);
        }
    }
    kept
}

/// Takes a group in brackets or braces, its delimiters included. Without one, takes nothing.
fn delimited(rest: &mut Peekable<impl Iterator<Item = String>>) -> Vec<String> {
    let (mut taken, mut depth) = (Vec::new(), 0);
    while let Some(token) = rest.next_if(|token| depth > 0 || "!([{".contains(token.as_str())) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        let is_last = depth == 0 && token != "!";
        taken.push(token);
        if is_last {
            break;
        }
    }
    taken
}

/// Skips the rest of an item: up to its semicolon, or to the end of its block.
fn skip_item(rest: &mut Peekable<impl Iterator<Item = String>>) {
    loop {
        match rest.peek().map(String::as_str) {
            Some("{") => return drop(delimited(rest)),
            Some("(" | "[") => drop(delimited(rest)),
            Some(";") | None => return drop(rest.next()),
            Some(_) => drop(rest.next()),
        }
    }
}

/// The names that follow a path prefix: one, or the heads of the branches of a group.
fn heads(tokens: &[String]) -> Vec<&str> {
    if tokens.first().is_none_or(|token| token != "{") {
        return tokens.first().map(String::as_str).into_iter().collect();
    }
    let (mut found, mut depth, mut at_head) = (Vec::new(), 0, false);
    for token in tokens {
        match token.as_str() {
            "{" => (depth, at_head) = (depth + 1, depth == 0),
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," => at_head = depth == 1,
            name if at_head => {
                found.push(name);
                at_head = false;
            }
            _ => {}
        }
    }
    found
}

/// The names at the root of the crate that the code of a module refers to, and the modules that it
/// declares in files of their own. `depth` is 1 for a top-level module.
fn references(tokens: &[String], depth: usize) -> (Vec<&str>, Vec<&str>) {
    let (mut used, mut declared) = (Vec::new(), Vec::new());
    // For each open brace, whether it is that of a module: `super` means another one inside it.
    let mut braces = Vec::new();
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token == text);
    let is_separator = |at: usize| is(at, ":") && is(at + 1, ":");
    for (at, token) in tokens.iter().enumerate() {
        let follows_path = at >= 2 && is_separator(at - 2);
        match token.as_str() {
            "{" => braces.push(at >= 2 && is(at - 2, "mod")),
            "}" => drop(braces.pop()),
            "mod" if is(at + 2, ";") => declared.push(tokens[at + 1].as_str()),
            "crate" if is_separator(at + 1) => used.extend(heads(&tokens[at + 3..])),
            "super" if !follows_path => {
                let mut levels = 1;
                while is_separator(at + 3 * levels - 2) && is(at + 3 * levels, "super") {
                    levels += 1;
                }
                let inner = braces.iter().filter(|is_module| **is_module).count();
                if levels == depth + inner && is_separator(at + 3 * levels - 2) {
                    used.extend(heads(&tokens[at + 3 * levels..]));
                }
            }
            _ => {}
        }
    }
    (used, declared)
}

/// Adds to `used` what the module in a file refers to at the root, and what its submodules do.
fn visit(source: Source<'_>, path: &[&str], used: &mut BTreeSet<String>) {
    let file = path.join("/");
    let text = source(&format!("{file}.rs")).or_else(|| source(&format!("{file}/mod.rs")));
    let tokens = without_tests(tokens(&text.unwrap_or_else(|| panic!("no source of {file}"))));
    let (found, declared) = references(&tokens, path.len());
    used.extend(found.into_iter().map(str::to_owned));
    for name in declared {
        visit(source, &[path, &[name]].concat(), used);
    }
}

fn graph(source: Source<'_>) -> Graph {
    let root = without_tests(tokens(&source("lib.rs").expect("lib.rs")));
    let (_, modules) = references(&root, 0);
    let arrows = modules.iter().map(|module| {
        let mut used = BTreeSet::new();
        visit(source, &[module], &mut used);
        used.retain(|name| name != module && modules.contains(&name.as_str()));
        ((*module).to_owned(), used)
    });
    arrows.collect()
}

/// The modules that are on a cycle.
fn on_cycles(graph: &Graph) -> Vec<&str> {
    let reaches_itself = |start: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(module) = open.pop() {
            for next in graph.get(module).into_iter().flatten() {
                if next == start {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    };
    graph.keys().map(String::as_str).filter(|module| reaches_itself(module)).collect()
}

/// The arrows that point to a module that stands later in `order`, or not in it at all.
fn against<'a>(graph: &'a Graph, order: &[&str]) -> Vec<(&'a str, &'a str)> {
    let place = |module: &str| order.iter().position(|known| *known == module);
    let arrows = graph.iter().flat_map(|(from, used)| used.iter().map(move |to| (from, to)));
    let arrows = arrows.map(|(from, to)| (from.as_str(), to.as_str()));
    arrows.filter(|(from, to)| place(to).is_none() || place(to) >= place(from)).collect()
}

#[test]
fn modules_use_only_modules_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let graph = graph(&|path| fs::read_to_string(root.join(path)).ok());
    let modules: BTreeSet<_> = graph.keys().map(String::as_str).collect();
    assert_eq!(modules, BTreeSet::from(ORDER), "the order names every module");
    assert!(graph["routes"].contains("guard") && graph["guard"].contains("app"), "{graph:?}");
    assert_eq!(on_cycles(&graph), [""; 0]);
    assert_eq!(against(&graph, &ORDER), []);
}

/// A crate that does not exist: `a → b → c → a`, each arrow in another form.
fn made_up(path: &str) -> Option<String> {
    let text = match path {
        "lib.rs" => "//! Doc.\nmod a;\npub mod b;\n#[cfg(feature = \"x\")]\nmod c;\nmod d;",
        "a.rs" => "use std::fmt;\nuse crate::{d::{D, self}, b::{self, c::X}};",
        "b/mod.rs" => "mod inner;\n#[cfg(test)]\nmod tests;",
        "b/inner.rs" => "fn f() -> u8 { super::super::c::g::<'_', \"}\">(super::x, r#\"{\"#) }",
        "c.rs" => {
            "// crate::d\nimpl T { const A: u8 = crate::a::A; const B: &str = \"crate::d\"; }"
        }
        "d.rs" => {
            "#[cfg(all(test, not(x)))]\n#[path = \"y\"]\nmod tests { use crate::a; fn f() { {} } }\n\
             #[cfg(test)]\nuse crate::b;\nmod inline { use super::{E, super_}; }\nuse self::a::A;"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[test]
fn a_cycle_and_an_arrow_that_points_back_are_found() {
    let graph = graph(&made_up);
    let arrows: Vec<_> = graph.iter().map(|(module, used)| (module.as_str(), used.len())).collect();
    assert_eq!(arrows, [("a", 2), ("b", 1), ("c", 1), ("d", 0)], "{graph:?}");
    assert_eq!(on_cycles(&graph), ["a", "b", "c"]);
    assert_eq!(against(&graph, &["d", "c", "b", "a"]), [("c", "a")]);
    assert_eq!(against(&graph, &["c", "b", "a"]), [("a", "d"), ("c", "a")], "d has no place");
}
