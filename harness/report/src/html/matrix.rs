//! The detection matrix on a page.

use maud::{Markup, html};

use super::table;
use crate::{
    judge::Verdict,
    report::{DetectionMatrix, matrix::Detection, matrix_text},
};

const COLUMNS: [(&str, bool); 4] =
    [("defect", false), ("what is wrong", false), ("outcome", false), ("seen by", false)];

pub(super) fn body(matrix: &DetectionMatrix) -> Markup {
    let class = match matrix.verdict {
        Verdict::Pass => "good",
        Verdict::Inconclusive => "unsure",
        _ => "bad",
    };
    let summary = matrix_text::summary(matrix);
    let (first, rest) = summary.split_once('\n').unwrap_or((&summary, ""));
    html! {
        h1 { span class={ "word " (class) } { (first) } }
        pre { (rest) }
        @for (area, defects) in matrix_text::by_area(matrix) {
            h2 { (area.name()) }
            (table(area.name(), &COLUMNS, &defects.into_iter().map(row).collect::<Vec<_>>()))
        }
        p class="dim" { (matrix.started_at) ", " (matrix.host.cpu) ", " (matrix.host.cores) " threads" }
    }
}

fn row(defect: &Detection) -> Vec<String> {
    matrix_text::row(defect).to_vec()
}
