//! A view for a terminal.

use anstyle::{AnsiColor, Style};

use crate::report::harmless;
use crate::report::view::{
    Bar, Bars, Block, Cell, Column, Content, Evidence, Heading, Medium, Plot, Table, Tone, View,
    Word,
};

/// Columns of a full bar.
const BAR: usize = 50;
/// What the parts of a bar are drawn with, the largest first; the last is for the rest.
const FILLS: [char; 6] = ['█', '▓', '▒', '░', '▪', '·'];

/// The view as text, in colour if asked for. Its heading comes last: that is what a terminal shows
/// when the command is done.
pub(crate) fn text(view: &View, color: bool) -> String {
    let mut page = Page { text: String::new(), color, list: false };
    page.blocks(&view.blocks);
    page.heading(&view.heading);
    page.text
}

/// Blocks without a heading, without colour.
pub(crate) fn blocks_as_text(blocks: &[Block]) -> String {
    let mut page = Page { text: String::new(), color: false, list: false };
    page.blocks(blocks);
    page.text
}

/// Text in the making.
struct Page {
    text: String,
    color: bool,
    /// Whether the line before is one of a list of headings.
    list: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, style: Style, text: &str) -> String {
        let text = printable(text);
        if self.color { format!("{style}{text}{style:#}") } else { text }
    }

    fn tone(&self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Plain => return printable(text),
            Tone::Dim => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Unsure => AnsiColor::Yellow.on_default(),
        };
        self.paint(style, text)
    }

    fn word(&self, Word { tone, text }: &Word) -> String {
        let color = match tone {
            Tone::Good => AnsiColor::Green,
            Tone::Bad => AnsiColor::Red,
            Tone::Unsure => AnsiColor::Yellow,
            Tone::Plain | Tone::Dim => AnsiColor::Cyan,
        };
        self.paint(color.on_default().bold(), text)
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks.iter().filter(|block| block.media.contains(&Medium::Terminal)) {
            self.block(&block.content);
        }
    }

    fn block(&mut self, content: &Content) {
        match content {
            Content::Heading(heading) => {
                let list = heading.level == 0;
                let follows = self.text.is_empty() || (list && self.list);
                if !follows {
                    self.line("");
                }
                self.heading(heading);
                self.list = list;
                return;
            }
            Content::Text(tone, text) => {
                let text = self.tone(*tone, text);
                self.line(&text);
            }
            Content::Notes(notes) => {
                for note in notes {
                    self.line(&format!("  {}", printable(note)));
                }
            }
            Content::Facts(facts) => {
                for (name, value) in facts {
                    self.line(&format!("{name:<9}  {}", printable(value)));
                }
                self.line("");
            }
            Content::Table(table) => self.table(table),
            Content::Plot(plot) => self.plot(plot),
            Content::Bars(bars) => self.bars(bars),
            Content::Evidence(evidence) => self.evidence(evidence),
        }
        self.list = false;
    }

    fn heading(&mut self, Heading { level, word, text, aside }: &Heading) {
        let mut parts: Vec<_> = word.iter().map(|word| self.word(word)).collect();
        // In a list of headings, as in a sentence, nothing stands out but the words.
        let style = if *level == 0 { Style::new() } else { Style::new().bold() };
        if !text.is_empty() {
            parts.push(if *level == 0 { printable(text) } else { self.paint(style, text) });
        }
        if !aside.is_empty() {
            parts.push(format!(" {}", self.tone(Tone::Dim, aside)));
        }
        self.line(&parts.join(" "));
    }

    fn table(&mut self, table: &Table) {
        if table.rows.is_empty() {
            return;
        }
        let columns = table.columns_on(Medium::Terminal);
        let shown = |cell: &Cell, column: &Column| shorten(&printable(&cell.text), column.widest);
        let widths: Vec<usize> = columns
            .iter()
            .map(|(index, column)| {
                let cells = table.rows.iter().map(|row| length(&shown(&row[*index], column)));
                cells.max().unwrap_or(0).max(length(&column.title))
            })
            .collect();
        let mut heading = String::new();
        for ((_, column), width) in columns.iter().zip(&widths) {
            heading += &aligned(&column.title, column.numeric, *width);
            heading += gutter(column);
        }
        let heading = self.tone(Tone::Dim, heading.trim_end());
        self.line(&format!("  {heading}"));
        for row in &table.rows {
            let mut line = String::from("  ");
            for ((index, column), width) in columns.iter().zip(&widths) {
                let cell = &row[*index];
                let text = aligned(&shown(cell, column), column.numeric, *width);
                line += &self.tone(cell.tone, &text);
                line += gutter(column);
            }
            self.line(&line);
        }
    }

    fn plot(&mut self, plot: &Plot) {
        for spark in &plot.sparks {
            let bars = self.paint(AnsiColor::Cyan.on_default(), &spark.bars);
            let range = self.tone(Tone::Dim, &spark.range);
            self.line(&format!("  {:7}{bars}  {range}", spark.label));
        }
    }

    fn bars(&mut self, Bars { names, rows, .. }: &Bars) {
        let Some(width) = rows.iter().map(|bar| length(&bar.name)).max() else { return };
        self.line("");
        for bar in rows {
            let name = aligned(&printable(&bar.name), false, width);
            self.line(&format!("  {name}  {} {}", drawn(bar), bar.text));
        }
        let rest = FILLS[FILLS.len() - 1];
        let parts = names.iter().zip(FILLS).map(|(name, fill)| format!("{fill} {name}"));
        let legend: Vec<_> = parts.chain([format!("{rest} rest")]).collect();
        self.line(&format!("  {}  {}", " ".repeat(width), printable(&legend.join(", "))));
        self.line("");
    }

    fn evidence(&mut self, evidence: &Evidence) {
        let place = self.paint(Style::new().bold(), &evidence.place);
        self.line(&format!("  {place}  {}", printable(&evidence.step)));
        let known = [("expected", &evidence.expected), ("actual", &evidence.actual)];
        let fields = evidence.fields.iter().map(|(name, text)| (*name, text));
        for (name, text) in known.into_iter().chain(fields) {
            let name = self.tone(Tone::Dim, &format!("{name:8}"));
            self.line(&format!("    {name}  {}", printable(text)));
        }
    }
}

/// What stands after a column. Marks, whose column has no title, stand next to what they mark.
const fn gutter(column: &Column) -> &'static str {
    if column.title.is_empty() { " " } else { "  " }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn aligned(text: &str, right: bool, width: usize) -> String {
    if right { format!("{text:>width$}") } else { format!("{text:width$}") }
}

fn shorten(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// A bar with its parts; what is left of it is the rest.
fn drawn(bar: &Bar) -> String {
    let mut drawn = String::new();
    for (share, fill) in bar.shares.iter().zip(FILLS) {
        drawn.extend(std::iter::repeat_n(fill, columns(share * bar.length)));
    }
    let rest = columns(bar.length).max(1).saturating_sub(length(&drawn));
    drawn.extend(std::iter::repeat_n(FILLS[FILLS.len() - 1], rest));
    drawn
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of 50 columns"
)]
fn columns(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * BAR as f64).round() as usize
}

/// Returns a text that cannot steer the terminal.
fn printable(text: &str) -> String {
    harmless::line(text).into_owned()
}
