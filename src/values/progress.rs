//! Counts what a long piece of work has done. Another thread may read it meanwhile, to show it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What has been done so far: removed, copied or read.
#[derive(Debug, Default)]
pub struct Progress {
    entries: AtomicU64,
    bytes: AtomicU64,
    /// What is being worked on. Only somebody who watches costs the copy of a path.
    path: Option<Mutex<PathBuf>>,
}

impl Progress {
    /// Returns counters that somebody watches.
    pub(crate) fn watched() -> Self {
        Self { path: Some(Mutex::default()), ..Self::default() }
    }

    /// Notes what is being worked on from now on.
    pub(crate) fn begin(&self, path: &Path) {
        if let Some(current) = &self.path
            && let Ok(mut current) = current.lock()
        {
            path.clone_into(&mut current);
        }
    }

    pub(crate) fn add(&self, entries: u64, bytes: u64) {
        self.entries.fetch_add(entries, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Returns the number of directory entries and of bytes.
    pub fn done(&self) -> (u64, u64) {
        (self.entries.load(Relaxed), self.bytes.load(Relaxed))
    }

    /// Returns what is being worked on.
    pub(crate) fn path(&self) -> PathBuf {
        let current = self.path.as_ref().and_then(|path| path.lock().ok());
        current.map(|path| path.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_noted_only_for_somebody_who_watches() {
        for (progress, path) in [(Progress::watched(), "/a"), (Progress::default(), "")] {
            progress.begin(Path::new("/a"));
            progress.add(1, 10);
            progress.add(2, 20);
            assert_eq!((progress.done(), progress.path()), ((3, 30), PathBuf::from(path)));
        }
    }
}
