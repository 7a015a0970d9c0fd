//! Files that a scenario names: other scenarios, and lists of values.

use std::{
    path::{Component, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::model::{Object, Value};

use super::{
    Diagnostic, DiscoverError, MAX_FILE_BYTES, ScenarioFile, clip, discover, parse, source,
};

/// The largest feed, in bytes: it is held in memory for the whole run.
pub const MAX_FEED_BYTES: usize = 16 << 20;
/// The largest size in bytes of all files that a scenario reads, once for each time that it reads them.
pub const MAX_READ_BYTES: usize = 64 << 20;

/// The most items of a feed, about 100 bytes each at least.
pub const MAX_FEED_ITEMS: usize = 100_000;

/// The greatest depth to which scenarios may call each other. A deeper chain is a circle, or hard
/// for a reader to follow.
pub const MAX_CALLS: usize = 8;

/// The reasons why a file that a scenario names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// It is none of the files that scenarios here may name.
    #[error("`{path}` is outside of {root}, where these scenarios are; put it there", root = root.display())]
    Outside {
        /// The path as it was written.
        path: String,
        /// The folder that it should be in.
        root: PathBuf,
    },
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] DiscoverError),
    /// A feed is larger than it may be.
    #[error("`{path}` is larger than {most} bytes")]
    TooLarge {
        /// The path as it was written.
        path: String,
        /// The largest size, in bytes.
        most: usize,
    },
    /// The files of a scenario are too large together.
    #[error("with `{0}` the scenario reads more than {MAX_READ_BYTES} bytes of other files")]
    TooMuch(String),
    /// A feed in JSON is none.
    #[error("`{path}`: not a JSON array: {error}")]
    Json {
        /// The path as it was written.
        path: String,
        /// The error of the parser.
        error: serde_json::Error,
    },
    /// A feed in CSV is none.
    #[error("`{path}`: {error}")]
    Csv {
        /// The path as it was written.
        path: String,
        /// The error of the parser.
        error: csv::Error,
    },
    /// A feed has nothing in it.
    #[error("`{0}` has no items")]
    Empty(String),
    /// A feed has more items than it may.
    #[error("`{path}` has {count} items; the most is {MAX_FEED_ITEMS}")]
    TooMany {
        /// The path as it was written.
        path: String,
        /// The number of items that were read.
        count: usize,
    },
    /// A text is not UTF-8.
    #[error("`{0}` is not UTF-8")]
    NotText(String),
    /// Scenarios call each other deeper than they may.
    #[error("scenarios call each other {MAX_CALLS} deep; `{0}` would be one more")]
    TooDeep(String),
    /// A scenario calls itself, maybe through others.
    #[error("`{0}` calls itself")]
    Circle(String),
    /// A scenario that is called has errors.
    #[error("{0}")]
    Scenario(String),
}

/// Finds the files that a scenario names, and knows the scenarios that called it.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
    /// The folder outside of which nothing is read, because an error about a file quotes a part of
    /// it.
    root: PathBuf,
    /// The files that called each other, the first one first.
    callers: Vec<PathBuf>,
    /// The bytes that were read so far, by this library and those of called scenarios.
    read: Arc<AtomicUsize>,
}

/// A called scenario.
#[derive(Debug)]
pub(crate) struct Called {
    /// The name in failures.
    pub(crate) name: String,
    pub(crate) file: ScenarioFile,
    pub(crate) library: Library,
}

impl Library {
    /// Returns a library of the files beside this one.
    pub fn beside(file_name: &str) -> Self {
        let file = Path::new(file_name);
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let root = root_of(&folder);
        Self { folder, root, callers: vec![real(file)], read: Arc::default() }
    }

    /// The file of that name.
    ///
    /// # Errors
    /// If it is outside.
    fn locate(&self, path: &str) -> Result<PathBuf, LibraryError> {
        let file = self.folder.join(path);
        let there = file.canonicalize().unwrap_or_else(|_| plain(&absolute(&self.folder), path));
        if there.starts_with(&self.root) {
            return Ok(file);
        }
        Err(LibraryError::Outside { path: path.to_owned(), root: self.root.clone() })
    }

    /// Reads a file of at most `most` bytes.
    ///
    /// # Errors
    /// [`LibraryError`], also when the scenario has read too much together.
    fn bytes(&self, file: &Path, path: &str, most: usize) -> Result<Vec<u8>, LibraryError> {
        let bytes = discover::read_up_to(file, most).map_err(|error| error.of(path))?;
        if bytes.len() > most {
            return Err(LibraryError::TooLarge { path: path.to_owned(), most });
        }
        let before = self.read.fetch_add(bytes.len(), Ordering::Relaxed);
        if before.saturating_add(bytes.len()) > MAX_READ_BYTES {
            return Err(LibraryError::TooMuch(path.to_owned()));
        }
        Ok(bytes)
    }

    /// Reads a list: CSV with a heading, each line an object of texts; or a JSON array.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn feed(&self, path: &str) -> Result<Vec<Value>, LibraryError> {
        let file = self.locate(path)?;
        let bytes = self.bytes(&file, path, MAX_FEED_BYTES)?;
        let named = || path.to_owned();
        let is_json = file.extension().is_some_and(|extension| extension == "json");
        let items = if is_json {
            serde_json::from_slice(&bytes)
                .map_err(|error| LibraryError::Json { path: named(), error })
        } else {
            csv(&bytes).map_err(|error| LibraryError::Csv { path: named(), error })
        };
        let items: Vec<Value> = items?;
        match items.len() {
            0 => Err(LibraryError::Empty(named())),
            count if count > MAX_FEED_ITEMS => Err(LibraryError::TooMany { path: named(), count }),
            _ => Ok(items),
        }
    }

    /// Reads a text file.
    ///
    /// # Errors
    /// [`LibraryError`], also for a file outside of the scenarios: messages quote what is in it.
    pub fn text(&self, path: &str) -> Result<String, LibraryError> {
        let bytes = self.bytes(&self.locate(path)?, path, MAX_FILE_BYTES)?;
        String::from_utf8(bytes).map_err(|_| LibraryError::NotText(path.to_owned()))
    }

    /// Reads a scenario that is called.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub(crate) fn call(&self, path: &str) -> Result<Called, LibraryError> {
        if self.callers.len() > MAX_CALLS {
            return Err(LibraryError::TooDeep(path.to_owned()));
        }
        let file = self.locate(path)?;
        let real = real(&file);
        if self.callers.contains(&real) {
            return Err(LibraryError::Circle(path.to_owned()));
        }
        let bytes = self.bytes(&file, path, MAX_FILE_BYTES)?;
        let name = file.display().to_string();
        let parsed = source::text(&bytes).map_err(|error| vec![*error]).and_then(parse);
        match parsed {
            Ok(parsed) => {
                let folder = file.parent().unwrap_or(Path::new("")).to_owned();
                let callers = self.callers.iter().cloned().chain([real]).collect();
                let library =
                    Self { folder, root: self.root.clone(), callers, read: Arc::clone(&self.read) };
                Ok(Called { name, file: parsed, library })
            }
            Err(errors) => Err(LibraryError::Scenario(first_of(path, &errors))),
        }
    }
}

/// The nearest folder called `scenarios` around a scenario; where there is none, the folder above its
/// own, so that families can call each other.
fn root_of(folder: &Path) -> PathBuf {
    let folder = absolute(folder);
    let named = folder.ancestors().find(|around| around.ends_with("scenarios"));
    named.or(folder.parent()).unwrap_or(&folder).to_owned()
}

fn absolute(folder: &Path) -> PathBuf {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    here.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// A path without `.` and `..`, of a file that does not exist.
fn plain(folder: &Path, path: &str) -> PathBuf {
    let mut plain = folder.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Returns one path for all ways to write the path of a file; a file that does not exist keeps its
/// path as it is written.
fn real(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

/// The first of the errors of another file; `workway check` shows all of them.
pub(crate) fn first_of(name: &str, errors: &[Diagnostic]) -> String {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    format!("{name}:{}", clip(&first))
}

/// Reads CSV with a heading: each line is an object of texts.
fn csv(bytes: &[u8]) -> Result<Vec<Value>, csv::Error> {
    let mut reader = csv::Reader::from_reader(bytes);
    let heading = reader.headers()?.clone();
    let mut items = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cells = heading.iter().zip(&record);
        let object: Object =
            cells.map(|(name, cell)| (name.to_owned(), Value::from(cell))).collect();
        items.push(Value::Object(object));
        if items.len() > MAX_FEED_ITEMS {
            break;
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::model::json;

    use super::*;

    fn library(folder: &tempfile::TempDir) -> Library {
        Library::beside(&folder.path().join("s.yaml").display().to_string())
    }

    #[test]
    fn nothing_outside_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("scenarios/family");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(folder.path().join("scenarios/other")).unwrap();
        for outside in ["secret.csv", "scenarios/other/a.csv"] {
            fs::write(folder.path().join(outside), "root:x\ncanary\n").unwrap();
        }
        fs::write(folder.path().join("secret.yaml"), "canary: 1\n").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret.csv"), inner.join("l.csv")).unwrap();
        let library = Library::beside(&inner.join("s.yaml").display().to_string());
        let absolute = folder.path().join("secret.csv").display().to_string();
        for path in ["../../secret.csv", "l.csv", "../../gone.csv", "/etc/passwd", &absolute] {
            let problem = library.feed(path).unwrap_err().to_string();
            assert!(problem.contains("is outside of"), "{path}: {problem}");
            assert!(!problem.contains("canary"), "{problem}");
        }
        let problem = library.call("../../secret.yaml").unwrap_err().to_string();
        assert!(problem.contains("is outside of") && !problem.contains("canary"), "{problem}");
        assert_eq!(library.feed("../other/a.csv").unwrap().len(), 1);
    }

    #[test]
    fn lists_come_from_csv_and_json() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), "name,age\nann,7\n\"b, b\",8\n").unwrap();
        fs::write(folder.path().join("a.json"), "[1, {\"a\": 2}]").unwrap();
        let library = library(&folder);
        let rows = library.feed("a.csv").unwrap();
        assert_eq!(rows, [json!({"name": "ann", "age": "7"}), json!({"name": "b, b", "age": "8"})]);
        assert_eq!(library.feed("a.json").unwrap(), [json!(1), json!({"a": 2})]);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, expected) in [
            ("a.json", "{}", "not a JSON array"),
            ("b.json", "[]", "has no items"),
            ("c.csv", "a,b\n1\n", "found record with 1 field"),
            ("d.csv", "a,b\n", "has no items"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
            let problem = library(&folder).feed(name).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
        assert!(library(&folder).feed("gone.csv").unwrap_err().to_string().contains("gone.csv"));
    }

    #[test]
    fn calls_are_as_deep_as_allowed_and_no_deeper() {
        let folder = tempfile::tempdir().unwrap();
        let name = |depth: usize| format!("{depth}.yaml");
        for depth in 0..=MAX_CALLS + 1 {
            fs::write(folder.path().join(name(depth)), "scenario: a\nsteps: []\n").unwrap();
        }
        let mut library = Library::beside(&folder.path().join(name(0)).display().to_string());
        for depth in 1..=MAX_CALLS {
            assert!(library.call(&name(0)).unwrap_err().to_string().contains("calls itself"));
            library = library.call(&name(depth)).unwrap().library;
        }
        assert!(library.call(&name(MAX_CALLS + 1)).unwrap_err().to_string().contains("one more"));
    }

    #[test]
    fn the_limits_and_one_past_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let rows = |count: usize| "a\n".to_owned() + &"1\n".repeat(count);
        fs::write(&path, rows(MAX_FEED_ITEMS)).unwrap();
        assert_eq!(library(&folder).feed("a.csv").unwrap().len(), MAX_FEED_ITEMS);
        fs::write(&path, rows(MAX_FEED_ITEMS + 1)).unwrap();
        assert!(library(&folder).feed("a.csv").unwrap_err().to_string().contains("the most is"));
        fs::write(folder.path().join("b.json"), vec![b' '; MAX_FEED_BYTES + 1]).unwrap();
        assert!(library(&folder).feed("b.json").unwrap_err().to_string().contains("larger than"));
        // All together.
        let full = format!("[{}1]", " ".repeat(MAX_FEED_BYTES - 3));
        fs::write(folder.path().join("c.json"), full).unwrap();
        let one = library(&folder);
        for _ in 0..MAX_READ_BYTES / MAX_FEED_BYTES {
            assert_eq!(one.feed("c.json").unwrap().len(), 1);
        }
        assert!(one.feed("c.json").unwrap_err().to_string().contains("of other files"));
    }
}
