//! R2's stand-in: a folder of files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::counted;
use crate::ports::{
    MAX_OBJECT_KEY_BYTES, MAX_OBJECT_KEYS, Meter, Metered, ObjectStore, PortError, PortResult,
    Usage, used,
};

/// A bucket in a folder.
#[derive(Clone, Debug)]
pub struct FolderObjectStore {
    root: PathBuf,
    total: Meter,
}

impl FolderObjectStore {
    /// Returns the bucket in a folder, which is made when the first object comes.
    pub fn new(root: PathBuf) -> Self {
        Self { root, total: Meter::default() }
    }

    /// Returns what all calls used.
    pub(super) fn usage(&self) -> Usage {
        self.total.usage()
    }

    /// Does `work` where it may wait for the disk.
    async fn with<T: Send + 'static>(
        &self,
        key: &str,
        usage: Usage,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> PortResult<T> {
        let outcome = match self.path(key) {
            Ok(path) => tokio::task::spawn_blocking(move || work(&path))
                .await
                .map_err(|error| PortError::unavailable("objects", error))
                .and_then(|done| done.map_err(|error| PortError::unavailable("objects", error))),
            Err(refused) => Err(refused),
        };
        counted(&self.total, used(outcome.map(Metered::free), usage))
    }

    /// Returns the path of an object until it is whole. It belongs to this write, for another may
    /// be under way with the same key, and beside the bucket, so that no list shows it.
    fn unfinished(&self) -> PathBuf {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        self.root.with_extension("unfinished").join(write.to_string())
    }

    /// Returns the path for a key, which must not lead out of the folder.
    fn path(&self, key: &str) -> Result<PathBuf, PortError> {
        let fine = |part: &str| !part.is_empty() && part != "." && part != "..";
        let key = key.strip_suffix('/').unwrap_or(key);
        if key.len() <= MAX_OBJECT_KEY_BYTES && key.split('/').all(fine) {
            return Ok(self.root.join(key));
        }
        let message = format!(
            "a key has 1 to {MAX_OBJECT_KEY_BYTES} bytes, and names between its slashes: {key:?}"
        );
        Err(PortError::unavailable("objects", message))
    }
}

fn class_a() -> Usage {
    Usage { object_writes: 1, ..Usage::default() }
}

fn class_b() -> Usage {
    Usage { object_reads: 1, ..Usage::default() }
}

impl ObjectStore for FolderObjectStore {
    async fn get(&self, key: &str) -> PortResult<Option<Vec<u8>>> {
        self.with(key, class_b(), |path| absent(fs::read(path))).await
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> PortResult<()> {
        let unfinished = self.unfinished();
        self.with(key, class_a(), move |path| write(path, &unfinished, &body)).await
    }

    async fn folders(&self, folder: &str) -> PortResult<Vec<String>> {
        let prefix = folder.to_owned();
        self.with(folder, class_a(), move |path| {
            let names = names(path, true)?.into_iter();
            Ok(names.map(|name| format!("{prefix}{name}/")).collect())
        })
        .await
    }

    async fn objects(&self, folder: &str) -> PortResult<Vec<String>> {
        let prefix = folder.to_owned();
        self.with(folder, class_a(), move |path| {
            Ok(names(path, false)?.into_iter().map(|name| prefix.clone() + &name).collect())
        })
        .await
    }

    async fn delete(&self, keys: Vec<String>) -> PortResult<()> {
        if keys.len() > MAX_OBJECT_KEYS {
            let message = format!("at most {MAX_OBJECT_KEYS} objects are deleted at once");
            return Err(PortError::unavailable("objects", message));
        }
        for key in &keys {
            // Deleting is free.
            self.with(key, Usage::default(), |path| {
                absent(fs::remove_file(path))?;
                // A folder is there as long as something is in it.
                let _ = path.parent().map(fs::remove_dir);
                Ok(())
            })
            .await?;
        }
        Ok(Metered::free(()))
    }
}

/// Writes a file whole or not at all, also when the process dies.
fn write(path: &Path, unfinished: &Path, body: &[u8]) -> io::Result<()> {
    for folder in [path.parent(), unfinished.parent()].into_iter().flatten() {
        fs::create_dir_all(folder)?;
    }
    fs::write(unfinished, body)?;
    fs::rename(unfinished, path)
}

fn absent<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the folders, or the files, of a folder, in order.
fn names(folder: &Path, folders: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in absent(fs::read_dir(folder))?.into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_dir() == folders {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    names.truncate(MAX_OBJECT_KEYS);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    fn bucket() -> (tempfile::TempDir, FolderObjectStore) {
        let folder = tempfile::tempdir().unwrap();
        let bucket = FolderObjectStore::new(folder.path().join("bucket"));
        (folder, bucket)
    }

    #[tokio::test]
    async fn keeps_lists_and_deletes() {
        let (_folder, bucket) = bucket();
        assert_eq!(bucket.folders("d/").await.unwrap().value, [""; 0]);
        assert_eq!(bucket.get("d/x/1").await.unwrap().value, None);
        for key in ["d/x/2", "d/x/1", "d/y/1"] {
            bucket.put(key, key.as_bytes().to_vec()).await.unwrap();
        }
        bucket.put("d/x/2", b"new".to_vec()).await.unwrap();
        assert_eq!(bucket.get("d/x/2").await.unwrap().value.unwrap(), b"new");
        assert_eq!(bucket.folders("d/").await.unwrap().value, ["d/x/", "d/y/"]);
        assert_eq!(bucket.objects("d/x/").await.unwrap().value, ["d/x/1", "d/x/2"]);
        bucket.delete(vec!["d/x/1".into(), "d/x/2".into(), "absent".into()]).await.unwrap();
        assert_eq!(bucket.folders("d/").await.unwrap().value, ["d/y/"]);
        let expected = Usage { object_writes: 4 + 4, object_reads: 2, ..Usage::default() };
        assert_eq!(bucket.usage(), expected);
    }

    /// Two crons may take the same backup further.
    #[tokio::test]
    async fn writes_of_one_key_at_the_same_time_are_whole_and_no_list_shows_them() {
        let (_folder, bucket) = bucket();
        let writes = (0..100u8).map(async |n| {
            bucket.put("d/x", vec![n; 100_000]).await.unwrap();
            assert_eq!(bucket.objects("d/").await.unwrap().value, ["d/x"]);
        });
        join_all(writes).await;
        let last = bucket.get("d/x").await.unwrap().value.unwrap();
        assert!(last.len() == 100_000 && last.iter().all(|byte| *byte == last[0]));
    }

    #[tokio::test]
    async fn limits_and_keys_that_lead_elsewhere() {
        let (_folder, bucket) = bucket();
        let long = |length: usize| ["k".repeat(200).as_str(); 6].join("/")[..length].to_owned();
        assert!(bucket.put(&long(MAX_OBJECT_KEY_BYTES), vec![1]).await.is_ok());
        for bad in [long(MAX_OBJECT_KEY_BYTES + 1).as_str(), "", "/x", "a//b", "../x", "a/../../x"]
        {
            assert!(bucket.put(bad, vec![1]).await.is_err(), "{bad}");
            assert!(bucket.get(bad).await.is_err(), "{bad}");
        }
        let many = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        assert!(bucket.delete(many(MAX_OBJECT_KEYS)).await.is_ok());
        assert!(bucket.delete(many(MAX_OBJECT_KEYS + 1)).await.is_err());
    }
}
