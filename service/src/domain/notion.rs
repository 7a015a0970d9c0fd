//! Builds the pages that `notion.create_page` steps create, in the form that Notion's API takes.

use serde_json::{Map, Value, json};

/// The largest number of characters of a block and of a title (Notion's limit of a rich text
/// object).
pub const MAX_TEXT: usize = 2000;
/// The largest number of blocks of a new page (Notion's limit of `children`). Each line of the
/// content is a block, or several if it is longer than [`MAX_TEXT`].
pub const MAX_BLOCKS: usize = 100;
/// The members of `parent` that name what the page is put into.
const PARENTS: [&str; 2] = ["page_id", "data_source_id"];

/// The settings of a `notion.create_page` step make no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The parent is absent, or names not exactly one place.
    #[error("config.parent must be {{\"page_id\": …}} or {{\"data_source_id\": …}}")]
    Parent,
    /// The title is absent.
    #[error("config.title is required")]
    NoTitle,
    /// The title is empty or too long.
    #[error("config.title must have 1 to {MAX_TEXT} characters, has {0}")]
    TitleLength(usize),
    /// The content needs more blocks than a page may have. The number is a lower bound.
    #[error(
        "config.content must have at most {MAX_BLOCKS} lines of {MAX_TEXT} characters, has {0}"
    )]
    TooManyBlocks(usize),
    /// A member has another type than text.
    #[error("config.{0} must be a string")]
    NotAString(&'static str),
}

/// Builds the page of a step's settings: `parent` (`{"page_id": …}` or `{"data_source_id": …}`),
/// `title` and optionally `content`, as plain text.
///
/// # Errors
/// [`PageError`] for the first rule that the settings violate.
pub fn page(config: &Map<String, Value>) -> Result<Value, PageError> {
    let parent = parent(config)?;
    let title = text(config, "title")?.ok_or(PageError::NoTitle)?;
    let length = title.chars().count();
    if !(1..=MAX_TEXT).contains(&length) {
        return Err(PageError::TitleLength(length));
    }
    let children = blocks(text(config, "content")?.unwrap_or_default());
    if children.len() > MAX_BLOCKS {
        return Err(PageError::TooManyBlocks(children.len()));
    }
    Ok(json!({
        "parent": parent,
        // The title of every page has the id `title`, whatever its database calls the column.
        "properties": {"title": {"title": [rich_text(title)]}},
        "children": children,
    }))
}

fn parent(config: &Map<String, Value>) -> Result<Value, PageError> {
    let parent = config.get("parent").and_then(Value::as_object).ok_or(PageError::Parent)?;
    let mut named = PARENTS.into_iter().filter_map(|name| Some((name, parent.get(name)?)));
    match (named.next(), named.next()) {
        (Some((name, Value::String(id))), None) if !id.is_empty() => Ok(json!({ name: id })),
        _ => Err(PageError::Parent),
    }
}

fn text<'a>(
    config: &'a Map<String, Value>,
    key: &'static str,
) -> Result<Option<&'a str>, PageError> {
    match config.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(PageError::NotAString(key)),
    }
}

fn blocks(content: &str) -> Vec<Value> {
    let lines = content.lines().filter(|line| !line.trim().is_empty());
    let chunks = lines.flat_map(|line| {
        let characters: Vec<char> = line.chars().collect();
        characters.chunks(MAX_TEXT).map(|chunk| chunk.iter().collect()).collect::<Vec<String>>()
    });
    // One block more than allowed shows that there are too many. The rest of a content of a
    // megabyte need not be turned into blocks for that.
    chunks.take(MAX_BLOCKS + 1).map(|chunk| paragraph(&chunk)).collect()
}

fn paragraph(text: &str) -> Value {
    json!({"object": "block", "type": "paragraph", "paragraph": {"rich_text": [rich_text(text)]}})
}

fn rich_text(text: &str) -> Value {
    json!({"type": "text", "text": {"content": text}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(title: &str, content: &str) -> Map<String, Value> {
        let config = json!({"parent": {"page_id": "p"}, "title": title, "content": content});
        config.as_object().unwrap().clone()
    }

    #[test]
    fn a_page_has_a_parent_a_title_and_paragraphs() {
        let page = page(&config("T", "one\n\ntwo")).unwrap();
        assert_eq!(page["parent"], json!({"page_id": "p"}));
        assert_eq!(page["properties"]["title"]["title"][0]["text"]["content"], "T");
        assert_eq!(page["children"].as_array().unwrap().len(), 2);
        assert_eq!(page["children"][1]["paragraph"]["rich_text"][0]["text"]["content"], "two");
    }

    #[test]
    fn limits_at_and_one_past() {
        assert!(page(&config(&"é".repeat(MAX_TEXT), "")).is_ok());
        assert!(page(&config(&"é".repeat(MAX_TEXT + 1), "")).is_err());
        assert!(page(&config("", "")).is_err());
        let long = page(&config("t", &"é".repeat(MAX_TEXT + 1))).unwrap();
        assert_eq!(long["children"].as_array().unwrap().len(), 2);
        assert!(page(&config("t", &"x\n".repeat(MAX_BLOCKS))).is_ok());
        let refused = page(&config("t", &"x\n".repeat(MAX_BLOCKS + 1))).unwrap_err().to_string();
        assert!(refused.starts_with("config.content must have at most 100 lines"), "{refused}");
    }

    #[test]
    fn an_error_names_the_member() {
        for (change, name) in [
            (json!({"parent": null}), "config.parent"),
            (json!({"parent": {}}), "config.parent"),
            (json!({"parent": {"page_id": ""}}), "config.parent"),
            (json!({"parent": {"page_id": "a", "data_source_id": "b"}}), "config.parent"),
            (json!({"title": 1}), "config.title"),
            (json!({"content": []}), "config.content"),
        ] {
            let mut config = config("t", "c");
            config.extend(change.as_object().unwrap().clone());
            assert!(page(&config).unwrap_err().to_string().starts_with(name), "{change}");
        }
        assert_eq!(
            page(&Map::new()).unwrap_err().to_string(),
            "config.parent must be {\"page_id\": …} or {\"data_source_id\": …}"
        );
    }
}
