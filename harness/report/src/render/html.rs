//! A view as one self-contained page: no script, and no request to anywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::bars;
use crate::report::harmless;
use crate::report::view::{
    Block, Column, Content, Evidence, Heading, Medium, Table, Tone, View, Word,
};

/// What the page may load: nothing, and its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The view as a page.
pub(crate) fn page(view: &View) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (view.title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    (heading(&view.heading))
                    (blocks(&view.blocks))
                }
            }
        }
    };
    harmless::markup(&page.into_string())
}

/// Blocks in their order; plots that follow one another stand side by side.
fn blocks(blocks: &[Block]) -> Markup {
    let shown: Vec<_> = blocks.iter().filter(|block| block.media.contains(&Medium::Page)).collect();
    let is_plot = |block: &Block| matches!(block.content, Content::Plot(_));
    let groups = shown.chunk_by(|one, next| is_plot(one) && is_plot(next));
    html! {
        @for group in groups {
            @if group.iter().any(|block| is_plot(block)) {
                div class="plots" { @for block in group { (content(&block.content)) } }
            } @else {
                @for block in group { (content(&block.content)) }
            }
        }
    }
}

fn content(content: &Content) -> Markup {
    match content {
        Content::Heading(part) => heading(part),
        Content::Text(tone, text) => html! { p class=(class(*tone)) { (text) } },
        Content::Notes(notes) => html! {
            @if !notes.is_empty() { ul { @for note in notes { li { (note) } } } }
        },
        Content::Facts(facts) => html! {
            dl { @for (name, value) in facts { dt { (name) } dd { (value) } } }
        },
        Content::Table(part) => table(part),
        Content::Plot(plot) => html! { @if let Some(figure) = plot.figure() { (figure) } },
        Content::Bars(part) => {
            html! { @if let Some(figure) = bars::figure(part) { div class="bars" { (figure) } } }
        }
        Content::Evidence(part) => evidence(part),
    }
}

fn heading(Heading { level, word, text, aside }: &Heading) -> Markup {
    let inside = html! {
        (text)
        @if let Some(Word { tone, text }) = word {
            " " span class={ "word " (class(*tone)) } { (text) }
        }
    };
    html! {
        @match level {
            0 | 1 => h1 { (inside) },
            2 => h2 { (inside) },
            _ => h3 { (inside) },
        }
        @if !aside.is_empty() { p class="dim" { (aside) } }
    }
}

/// A table that scrolls by itself where it does not fit; a keyboard can reach it.
fn table(table: &Table) -> Markup {
    let columns = table.columns_on(Medium::Page);
    html! {
        @if !table.rows.is_empty() {
            div class="scroll" tabindex="0" role="region" aria-label=(table.caption) {
                table {
                    caption { (table.caption) }
                    thead {
                        tr {
                            @for (_, column) in &columns {
                                // A heading without words tells those who cannot see nothing.
                                @if column.title.is_empty() { td {} }
                                @else { th scope="col" class=(alignment(column)) { (column.title) } }
                            }
                        }
                    }
                    tbody {
                        @for row in &table.rows {
                            tr {
                                @for (index, column) in &columns {
                                    @let cell = &row[*index];
                                    td class=(alignment(column)) {
                                        @if cell.tone == Tone::Plain { (cell.text) }
                                        @else { span class=(class(cell.tone)) { (cell.text) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn evidence(evidence: &Evidence) -> Markup {
    let Evidence { place, step, expected, actual, fields } = evidence;
    html! {
        details {
            summary { (place) " " (step) ": expected " (expected) ", was " (actual) }
            @for (name, text) in fields {
                @if !name.is_empty() { p { (name) ":" } }
                pre { (text) }
            }
        }
    }
}

const fn alignment(column: &Column) -> &'static str {
    if column.numeric { "n" } else { "t" }
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Unsure => "unsure",
        Tone::Dim => "dim",
    }
}
