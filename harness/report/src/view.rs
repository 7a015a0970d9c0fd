//! What every rendering shows of a report, whatever it is of: the one thing that a terminal, Markdown
//! and a page are made from.

mod cost;
mod gate;
mod matrix;
mod plot;
mod plots;
mod run;

pub(super) use cost::bill;
pub(super) use gate::{comparisons, gate};
pub(super) use matrix::matrix;
pub(super) use plot::{Axis, Line, Plot};
pub(super) use run::run;

/// A report for readers.
pub struct View {
    /// What it is, for the title of a page.
    pub(super) title: &'static str,
    /// What it says in one line.
    pub(super) heading: Heading,
    /// Its parts, in order.
    pub(super) blocks: Vec<Block>,
}

/// A heading and how it is meant.
pub(super) struct Heading {
    /// 1 is that of the whole.
    pub(super) level: u8,
    /// The verdict in a word, if there is one.
    pub(super) word: Option<Word>,
    /// What it is about.
    pub(super) text: String,
    /// What stands behind it in a lower voice, such as a file.
    pub(super) aside: String,
}

/// A word that colour may underline, but never says by itself.
#[derive(Clone)]
pub(super) struct Word {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Unsure,
    /// Beside the point.
    Dim,
}

/// Where a report is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// At a terminal, whose lines are short.
    Terminal,
    /// In a comment or a job's summary, which should fit a screen.
    Markdown,
    /// On a page of its own, which has room for everything.
    Page,
}

/// A part of a report, and where it is shown.
pub(super) struct Block {
    pub(super) media: &'static [Medium],
    pub(super) content: Content,
}

/// What a block holds.
pub(super) enum Content {
    Heading(Heading),
    Text(Tone, String),
    /// Sentences, each of which stands for itself.
    Notes(Vec<String>),
    /// What something is, by name.
    Facts(Vec<(&'static str, String)>),
    Table(Table),
    Plot(Plot),
    Bars(Bars),
    Evidence(Evidence),
}

/// Everywhere.
pub(super) const EVERYWHERE: &[Medium] = &[Medium::Terminal, Medium::Markdown, Medium::Page];
/// Where there is no need to be short.
pub(super) const IN_FULL: &[Medium] = &[Medium::Terminal, Medium::Page];

impl Content {
    /// A block of this for every medium.
    pub(super) const fn everywhere(self) -> Block {
        self.on(EVERYWHERE)
    }

    /// A block of this for these media.
    pub(super) const fn on(self, media: &'static [Medium]) -> Block {
        Block { media, content: self }
    }
}

/// Rows under columns.
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A column of a table.
pub(super) struct Column {
    pub(super) title: String,
    /// Numbers stand at the right.
    pub(super) numeric: bool,
    /// The only medium that has it; all have it if absent.
    pub(super) only: Option<Medium>,
    /// Characters that a terminal shows of a cell.
    pub(super) widest: usize,
}

impl Column {
    pub(super) fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), numeric: false, only: None, widest: usize::MAX }
    }

    pub(super) fn number(title: impl Into<String>) -> Self {
        Self { numeric: true, ..Self::text(title) }
    }

    pub(super) fn only(self, medium: Medium) -> Self {
        Self { only: Some(medium), ..self }
    }

    pub(super) fn is_on(&self, medium: Medium) -> bool {
        self.only.is_none_or(|only| only == medium)
    }
}

/// A cell of a table.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

impl From<Word> for Cell {
    fn from(Word { tone, text }: Word) -> Self {
        Self { text, tone }
    }
}

impl Table {
    /// The columns that a medium has, with their index.
    pub(super) fn columns_on(&self, medium: Medium) -> Vec<(usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| column.is_on(medium)).collect()
    }
}

/// Bars whose parts have names.
pub(super) struct Bars {
    pub(super) title: String,
    /// Of the parts, the largest first; what is left of a bar is the rest.
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Bar>,
}

/// One bar.
pub(super) struct Bar {
    pub(super) name: String,
    /// What it stands for, for a reader.
    pub(super) text: String,
    /// How long it is beside the longest, 0 to 1.
    pub(super) length: f64,
    /// The named parts of it, 0 to 1, in the order of the names.
    pub(super) shares: Vec<f64>,
}

/// An operation that did not go as expected.
pub(super) struct Evidence {
    /// File, line and column.
    pub(super) place: String,
    /// The step, and how bad it is.
    pub(super) step: String,
    pub(super) expected: String,
    pub(super) actual: String,
    /// Everything else that is known, by name; several may have none.
    pub(super) fields: Vec<(&'static str, String)>,
}
