//! Reports as one self-contained page: no script, and no request to anywhere.

mod bar;
mod bill;
mod gate;
mod matrix;
mod plot;
mod run;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{DetectionMatrix, GateReport, RunReport};

/// What the page may load: nothing, and its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A run as a page.
pub fn html(report: &RunReport) -> String {
    page("workway: run", &run::body(report))
}

/// A gate as a page.
pub fn gate_html(report: &GateReport) -> String {
    page("workway: gate", &gate::body(report))
}

/// A detection matrix as a page.
pub fn matrix_html(matrix: &DetectionMatrix) -> String {
    page("workway: detection matrix", &matrix::body(matrix))
}

fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main { (body) } }
        }
    }
    .into_string()
}

/// A table that scrolls by itself where it does not fit; a keyboard can reach it.
fn table(caption: &str, columns: &[(&str, bool)], rows: &[Vec<String>]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead {
                    tr {
                        @for (title, number) in columns {
                            th scope="col" class=(class(*number)) { (title) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (cell, (_, number)) in row.iter().zip(columns) {
                                td class=(class(*number)) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

const fn class(number: bool) -> &'static str {
    if number { "n" } else { "t" }
}
