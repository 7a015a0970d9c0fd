//! The checklist for people: as text, and as a page that loads nothing.

use std::fmt::Write as _;

use super::{Attested, Checklist, Evidence, Item, State};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem}code{background:#8882;padding:.1em .3em}ul{padding:0}li{margin:.6em 0;list-style:none}\
.proven::before{content:'\u{2611} ';color:#080}.failed::before{content:'\u{2612} ';color:#c00}\
.not-proven-here::before{content:'\u{2610} '}.not-applicable::before{content:'\u{2013} '}\
small{display:block;color:#666}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}\
small{color:#aaa}a{color:#8cf}}";

/// Renders the checklist as text.
pub fn text(list: &Checklist) -> String {
    let mut out = headline(list) + "\n";
    let mut phase = None;
    for item in &list.items {
        if phase.replace(item.phase) != Some(item.phase) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "\n{}", item.phase.title());
        }
        let mark = match item.state {
            State::Proven => "✓",
            State::Failed => "✗",
            State::NotProvenHere => "□",
            State::NotApplicable => "–",
        };
        let _ = writeln!(out, "  {mark} {}{}", item.title, verdict(item));
        for Line { text, files } in lines(item) {
            let shown = [&[text], files.as_slice()].concat().join("  ");
            let _ = writeln!(out, "      {shown}");
        }
    }
    out
}

/// Renders the checklist as a page. Its links lead to copies of the evidence beside it: see
/// [`links`].
pub fn html(list: &Checklist) -> String {
    let headline = escaped(&headline(list));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Launch</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\n\
         <h1>Launch</h1>\n<p>{headline}</p>\n"
    );
    for items in list.items.chunk_by(|one, next| one.phase == next.phase) {
        let title = items.first().map_or("", |item| item.phase.title());
        let _ = writeln!(out, "<h2>{title}</h2>\n<ul>");
        for item in items {
            out += &entry(item);
        }
        out += "</ul>\n";
    }
    out + "</html>\n"
}

fn entry(item: &Item) -> String {
    let class = serde_json::to_value(item.state).unwrap_or_default();
    let class = class.as_str().unwrap_or_default();
    let title = escaped(&format!("{}{}", item.title, verdict(item)));
    let mut out = format!("<li class=\"{class}\">{title}");
    for Line { text, files } in lines(item) {
        let _ = write!(out, "<small>{}", escaped(&text));
        for file in files {
            let (name, shown) = (escaped(&beside(&file)), escaped(&file));
            let _ = write!(out, " <a href=\"{name}\">{shown}</a>");
        }
        out += "</small>";
    }
    out + "</li>\n"
}

/// Lists the files that the page links to: where each is in the repository, and the name of its
/// copy in the folder of the page.
pub fn links(list: &Checklist) -> Vec<(String, String)> {
    let lines = list.items.iter().flat_map(lines);
    let mut files: Vec<_> = lines.flat_map(|line| line.files).collect();
    files.sort();
    files.dedup();
    files.into_iter().map(|file| (file.clone(), beside(&file))).collect()
}

/// Returns a flat file name, so that nothing leaves the folder.
fn beside(file: &str) -> String {
    let name = file.trim_start_matches("target/launch/").trim_start_matches("reports/launch/");
    format!("evidence/{}", name.replace('/', "-"))
}

fn headline(list: &Checklist) -> String {
    let id = list.commit.id.get(..12).unwrap_or(&list.commit.id);
    let clean = if list.commit.clean { "" } else { ", changed since, so nothing is proven of it" };
    format!(
        "Commit {id}{clean}: {} proven, {} failed, {} not proven here, {} not applicable",
        list.count(State::Proven),
        list.count(State::Failed),
        list.count(State::NotProvenHere),
        list.count(State::NotApplicable),
    )
}

fn verdict(item: &Item) -> &'static str {
    match item.state {
        State::Failed => ": failed",
        State::NotProvenHere if item.evidence.iter().any(Evidence::succeeded) => ": proven in part",
        State::NotProvenHere => ": not proven here",
        _ => "",
    }
}

/// A line below an item, and the files in the repository that show what it says.
struct Line {
    text: String,
    files: Vec<String>,
}

fn lines(item: &Item) -> Vec<Line> {
    let plain = |text: String| Line { text, files: Vec::new() };
    let mut lines: Vec<_> = item.evidence.iter().map(proof).collect();
    lines.extend(item.attested.iter().map(attested));
    lines.extend(item.note.clone().map(plain));
    lines.extend(item.to_prove.iter().map(|command| plain(format!("$ {command}"))));
    lines
}

fn proof(evidence: &Evidence) -> Line {
    let Evidence { proof, finished_at, seconds, exit, figure, report, .. } = evidence;
    let ended = match exit {
        Some(0) => String::new(),
        Some(_) if evidence.undecided() => ", undecided".to_owned(),
        Some(code) => format!(", exit code {code}"),
        None => ", killed".to_owned(),
    };
    let files = report.iter().cloned().chain([format!("target/launch/{proof}.json")]);
    let text = format!("{proof}: {figure} ({finished_at}, {seconds} s{ended})");
    Line { text, files: files.collect() }
}

fn attested(one: &Attested) -> Line {
    let Attested { file, by, on, commit, of_this_code, seen, .. } = one;
    let id = commit.get(..12).unwrap_or(commit);
    let of =
        if *of_this_code { "" } else { ", which has other code: it proves nothing of this one" };
    Line { text: format!("{by}, {on}: {seen} (commit {id}{of})"), files: vec![file.clone()] }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
