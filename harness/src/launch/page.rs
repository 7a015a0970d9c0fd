//! The checklist for people: as text, and as a page that loads nothing.

use std::fmt::Write as _;

use super::{Checklist, Evidence, Item, State};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem}code{background:#8882;padding:.1em .3em}li{margin:.6em 0;list-style:none}\
.proven::before{content:'\u{2611} ';color:#080}.failed::before{content:'\u{2612} ';color:#c00}\
.not-proven-here::before{content:'\u{2610} '}.not-applicable::before{content:'\u{2013} '}\
small{display:block;color:#666}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}";

/// As text.
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
        for line in lines(item) {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}

/// As a page.
pub fn html(list: &Checklist) -> String {
    let headline = escaped(&headline(list));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Launch</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\n\
         <h1>Launch</h1>\n<p>{headline}</p>\n"
    );
    let mut phase = None;
    for item in &list.items {
        if phase.replace(item.phase) != Some(item.phase) {
            let _ = writeln!(out, "<h2>{}</h2>", item.phase.title());
        }
        let class = serde_json::to_value(item.state).unwrap_or_default();
        let class = class.as_str().unwrap_or_default();
        let title = escaped(&format!("{}{}", item.title, verdict(item)));
        let _ = write!(out, "<li class=\"{class}\">{title}");
        for line in lines(item) {
            let _ = write!(out, "<small>{}</small>", escaped(&line));
        }
        out += "</li>\n";
    }
    out + "</html>\n"
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

fn lines(item: &Item) -> Vec<String> {
    let shown = |evidence: &Evidence| {
        let Evidence { proof, finished_at, seconds, exit, figure, .. } = evidence;
        let ended = match exit {
            Some(0) => String::new(),
            Some(_) if evidence.undecided() => ", undecided".to_owned(),
            Some(code) => format!(", exit code {code}"),
            None => ", killed".to_owned(),
        };
        format!("{proof}: {figure} ({finished_at}, {seconds} s{ended}; target/launch/{proof}.json)")
    };
    let mut lines: Vec<_> = item.evidence.iter().map(shown).collect();
    lines.extend(item.note.clone());
    lines.extend(item.to_prove.iter().map(|command| format!("$ {command}")));
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
