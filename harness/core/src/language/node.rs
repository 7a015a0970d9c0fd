//! A scenario file as a tree of text, lists and maps, each with its place in the file.

use crate::model::Span;

/// A value as it is written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: NodeValue,
}

#[derive(Clone, Debug)]
pub(super) enum NodeValue {
    Scalar(Scalar),
    Seq(Vec<Node>),
    Map(Map),
}

/// Text, without its quotes.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Set for a scalar without quotes that is not a block: `1` is a number, `"1"` is not.
    pub(super) plain: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub(super) entries: Vec<Entry>,
    /// Keys that the author wrote and that were taken out because they were wrong. That they are
    /// missing now is not another error.
    pub(super) removed: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

impl Node {
    /// Describes the node as its author knows it, for "found …".
    pub(super) fn describe(&self) -> String {
        match &self.value {
            NodeValue::Scalar(scalar) if scalar.is_null() => "nothing".to_owned(),
            NodeValue::Scalar(scalar) if scalar.plain => format!("`{}`", clip(&scalar.text)),
            NodeValue::Scalar(scalar) => format!("the text `{}`", clip(&scalar.text)),
            NodeValue::Seq(_) => "a list".to_owned(),
            NodeValue::Map(_) => "a map".to_owned(),
        }
    }

    /// The node at `path`: at each level an index into the list, or into the entries of the map.
    pub(super) fn at(&self, path: &[usize]) -> Option<&Self> {
        path.iter().try_fold(self, |node, &index| match &node.value {
            NodeValue::Scalar(_) => None,
            NodeValue::Seq(items) => items.get(index),
            NodeValue::Map(map) => map.entries.get(index).map(|entry| &entry.value),
        })
    }

    /// Takes the node at `path` out of its list or map. False when there is none, or when it is
    /// the root.
    pub(super) fn remove(&mut self, path: &[usize]) -> bool {
        let Some((&last, parents)) = path.split_last() else { return false };
        let parent = parents.iter().try_fold(self, |node, &index| match &mut node.value {
            NodeValue::Scalar(_) => None,
            NodeValue::Seq(items) => items.get_mut(index),
            NodeValue::Map(map) => map.entries.get_mut(index).map(|entry| &mut entry.value),
        });
        match parent.map(|node| &mut node.value) {
            Some(NodeValue::Seq(items)) if last < items.len() => {
                items.remove(last);
                true
            }
            Some(NodeValue::Map(map)) if last < map.entries.len() => {
                map.removed.push(map.entries.remove(last).key);
                true
            }
            _ => false,
        }
    }
}

impl Scalar {
    /// YAML 1.2 core schema: no value, `~` or `null`, without quotes.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// The most characters of a file that a message repeats.
const CLIPPED_CHARS: usize = 60;

/// `text` short enough for a message, on one line.
pub fn clip(text: &str) -> String {
    let clean: String =
        text.chars().take(CLIPPED_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > CLIPPED_CHARS { format!("{clean}…") } else { clean }
}
