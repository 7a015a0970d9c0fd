//! A view as Markdown: for a job's summary, and for a comment on a pull request.

use std::fmt::Write as _;

use crate::report::harmless;
use crate::report::view::{
    Block, Cell, Content, Evidence, Heading, Medium, Table, Tone, View, Word,
};

/// The view as Markdown, headings from the third level.
pub(crate) fn markdown(view: &View) -> String {
    let mut text = String::new();
    heading(&mut text, &view.heading);
    for Block { media, content } in &view.blocks {
        if media.contains(&Medium::Markdown) {
            block(&mut text, content);
        }
    }
    text.truncate(text.trim_end().len());
    harmless::lines(&text).into_owned() + "\n"
}

// Writing to a String cannot fail.
fn block(text: &mut String, content: &Content) {
    match content {
        Content::Heading(part) => heading(text, part),
        Content::Text(_, part) => {
            let _ = writeln!(text, "{}\n", escape(part));
        }
        Content::Notes(notes) => {
            for note in notes {
                let _ = writeln!(text, "- {}", escape(note));
            }
            if !notes.is_empty() {
                text.push('\n');
            }
        }
        Content::Facts(facts) => {
            text.push_str("```text\n");
            for (name, value) in facts {
                let _ = writeln!(text, "{name:<9}  {}", one_line(value));
            }
            text.push_str("```\n\n");
        }
        Content::Table(part) => table(text, part),
        Content::Evidence(part) => evidence(text, part),
        // Neither can be drawn here; the figures stand in tables.
        Content::Plot(_) | Content::Bars(_) => {}
    }
}

fn heading(text: &mut String, Heading { level, word, text: title, aside }: &Heading) {
    let mut parts: Vec<_> = word.iter().map(marked).collect();
    parts.push(escape(title));
    if !aside.is_empty() {
        parts.push(code(aside));
    }
    let level = "#".repeat(usize::from(*level) + 2);
    let _ = writeln!(text, "{level} {}\n", parts.join(" "));
}

/// A word with a sign that shows without colour.
fn marked(Word { tone, text }: &Word) -> String {
    let mark = match tone {
        Tone::Good => "✅",
        Tone::Bad => "❌",
        Tone::Unsure => "❔",
        Tone::Plain | Tone::Dim => "➖",
    };
    format!("{mark} {}", escape(text))
}

fn table(text: &mut String, table: &Table) {
    if table.rows.is_empty() {
        return;
    }
    let columns = table.columns_on(Medium::Markdown);
    let titles: Vec<_> = columns.iter().map(|(_, column)| escape(&column.title)).collect();
    let _ = writeln!(text, "| {} |", titles.join(" | "));
    let lines = columns.iter().map(|(_, column)| if column.numeric { "--:" } else { "---" });
    let _ = writeln!(text, "|{}|", lines.collect::<Vec<_>>().join("|"));
    for row in &table.rows {
        let cell = |Cell { text, .. }: &Cell| escape(text);
        let cells: Vec<_> = columns.iter().map(|(index, _)| cell(&row[*index])).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}

fn evidence(text: &mut String, evidence: &Evidence) {
    let Evidence { place, expected, actual, .. } = evidence;
    let (place, expected, actual) = (code(place), code(expected), code(actual));
    let _ = writeln!(text, "- {place} expected {expected}, was {actual}");
}

/// A text between fences, which a line of its own could end.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '`'], " ")
}

/// Text in which nothing is markup: what a target sends must not become a link or an image.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

/// Text as code. HTML, as backticks in it cannot end it there, nor a `|` the cell.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_sends_is_no_markup() {
        let hostile = "![x](http://evil)|<img src=x>\n# `a` @team";
        let shown = escape(hostile);
        assert_eq!(shown, "\\!\\[x\\](http://evil)\\|&lt;img src=x&gt; \\# \\`a\\` \\@team");
    }
}
