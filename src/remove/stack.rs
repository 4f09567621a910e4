//! The directories from the root of a walk down to the deepest one that it has entered.
//!
//! However deep the tree, only the deepest [`OPEN_FRAMES`] directories and the root keep their
//! descriptors. On the way up, a directory whose descriptor was closed is opened through `..` of
//! its child, and accepted only if it is the directory that the walk came through. If it is not,
//! another process has moved a directory; then the walk follows the names down from the nearest
//! open directory, and again accepts only the directories that it came through. So a moved
//! directory never leads the walk out of its tree.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use crate::remove::frame::DirFrame;
use crate::remove::open::{open_for_removal, open_parent};
use crate::remove::stat::{FileKey, stat_fd};

/// How many of the deepest directories keep their descriptors.
pub(super) const OPEN_FRAMES: usize = 24;

/// The directories that a walk has entered, from its root (depth 0) to the deepest one.
pub(super) struct DirStack {
    /// The path of the root, for messages.
    root_path: PathBuf,
    frames: Vec<DirFrame>,
}

impl DirStack {
    pub(super) fn new(root_path: PathBuf, root: DirFrame) -> Self {
        Self { root_path, frames: vec![root] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns the depth of the deepest directory, or 0 if the stack is empty.
    pub(super) fn depth(&self) -> usize {
        self.frames.len().saturating_sub(1)
    }

    pub(super) fn deepest(&self) -> Option<&DirFrame> {
        self.frames.last()
    }

    pub(super) fn deepest_mut(&mut self) -> Option<&mut DirFrame> {
        self.frames.last_mut()
    }

    pub(super) fn get_mut(&mut self, depth: usize) -> Option<&mut DirFrame> {
        self.frames.get_mut(depth)
    }

    /// Returns the depth of the first directory from `start` on that matches.
    pub(super) fn find_from(
        &self,
        start: usize,
        matches: impl Fn(usize, &DirFrame) -> bool,
    ) -> Option<usize> {
        let mut frames = self.frames.iter().enumerate().skip(start);
        frames.find(|(depth, frame)| matches(*depth, frame)).map(|(depth, _)| depth)
    }

    /// Enters a directory that was opened in the deepest one. It occupies `bytes` itself.
    pub(super) fn enter(&mut self, name: CString, fd: OwnedFd, bytes: u64) {
        let second_pass = self.deepest().is_some_and(|parent| parent.second_pass);
        let mut frame = DirFrame::new(name, Arc::new(fd), bytes);
        frame.second_pass = second_pass;
        self.push(frame);
        // The root keeps its descriptor: from there every directory can be found again.
        if let Some(depth) = self.frames.len().checked_sub(OPEN_FRAMES + 1)
            && depth > 0
        {
            self.frames[depth].close_fd();
        }
    }

    pub(super) fn push(&mut self, frame: DirFrame) {
        self.frames.push(frame);
    }

    pub(super) fn pop(&mut self) -> Option<DirFrame> {
        self.frames.pop()
    }

    /// Opens a subdirectory of the deepest directory. Whenever the process has no descriptor left,
    /// closes one of a directory further up.
    pub(super) fn open_child(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        grant_access: bool,
    ) -> io::Result<OwnedFd> {
        loop {
            match open_for_removal(dir, name, grant_access) {
                Err(err)
                    if matches!(err.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
                        && self.close_one_fd() => {}
                opened => return opened,
            }
        }
    }

    /// Closes the highest open descriptor, except those of the root and of the deepest directory.
    /// Returns false if no descriptor could be closed.
    fn close_one_fd(&mut self) -> bool {
        let deepest = self.depth();
        let frames = self.frames.iter_mut().take(deepest).skip(1);
        frames
            .rev()
            .take(OPEN_FRAMES)
            .filter(|frame| frame.fd.is_some())
            .last()
            .is_some_and(DirFrame::close_fd)
    }

    /// Opens the deepest directory again if its descriptor was closed. `child` is the directory
    /// that the walk comes from.
    pub(super) fn reopen_deepest(
        &mut self,
        child: Option<&OwnedFd>,
        grant_access: bool,
    ) -> io::Result<()> {
        let Some(frame) = self.deepest().filter(|frame| frame.fd.is_none()) else {
            return Ok(());
        };
        let mut fd = None;
        if let Some(child) = child {
            let parent = open_parent(child.as_fd())?;
            if is_expected(frame, &parent)? {
                fd = Some(parent);
            }
        }
        let fd = fd.map_or_else(|| self.reopen_by_names(grant_access), Ok)?;
        if let Some(frame) = self.deepest_mut() {
            frame.reopen_with(fd);
        }
        Ok(())
    }

    /// Follows the names from the nearest open directory down to the deepest one.
    fn reopen_by_names(&self, grant_access: bool) -> io::Result<OwnedFd> {
        let fds = self.frames.iter().map(|frame| frame.fd.as_ref());
        let open = fds.enumerate().rev().find_map(|(depth, fd)| Some((depth, fd?)));
        let (depth, fd) = open.ok_or_else(moved)?;
        let mut fd = fd.try_clone()?;
        for frame in self.frames.iter().skip(depth + 1) {
            fd = open_for_removal(fd.as_fd(), &frame.name, grant_access).map_err(|_| moved())?;
            if !is_expected(frame, &fd)? {
                return Err(moved());
            }
        }
        Ok(fd)
    }

    pub(super) fn deepest_path(&self) -> PathBuf {
        self.path(self.depth())
    }

    pub(super) fn path(&self, depth: usize) -> PathBuf {
        let frames = self.frames.iter().take(depth + 1).skip(1);
        let names = frames.map(|frame| OsStr::from_bytes(frame.name.to_bytes()));
        names.fold(self.root_path.clone(), |path, name| path.join(name))
    }
}

/// Whether a directory is the one that the closed descriptor of a frame referred to.
fn is_expected(frame: &DirFrame, dir: &OwnedFd) -> io::Result<bool> {
    Ok(Some(FileKey::of(&stat_fd(dir.as_fd())?)) == frame.key)
}

/// The error for a directory that is not where the walk found it.
pub(super) fn moved() -> io::Error {
    io::Error::other("it was moved while it was being removed")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Creates and enters nested directories, all named `d`.
    fn deep_stack(top: &Path, levels: usize) -> DirStack {
        let fd = OwnedFd::from(fs::File::open(top).unwrap());
        let root = DirFrame::new(CString::default(), Arc::new(fd), 0);
        let mut stack = DirStack::new("/top".into(), root);
        let mut path = top.to_owned();
        for _ in 0..levels {
            path.push("d");
            fs::create_dir(&path).unwrap();
            stack.enter(c"d".into(), fs::File::open(&path).unwrap().into(), 0);
        }
        stack
    }

    fn open_depths(stack: &DirStack) -> Vec<usize> {
        (0..=stack.depth()).filter(|depth| stack.frames[*depth].fd.is_some()).collect()
    }

    #[test]
    fn the_root_and_the_deepest_directories_stay_open() {
        let top = tempfile::tempdir().unwrap();
        let stack = deep_stack(top.path(), 40);
        let expected: Vec<_> = std::iter::once(0).chain(41 - OPEN_FRAMES..=40).collect();
        assert_eq!(open_depths(&stack), expected);
        assert_eq!(stack.path(2), Path::new("/top/d/d"));
    }

    #[test]
    fn descriptors_are_closed_from_the_top_down_but_not_the_first_and_last() {
        let top = tempfile::tempdir().unwrap();
        let mut stack = deep_stack(top.path(), 4);
        let mut closed = Vec::new();
        while stack.close_one_fd() {
            closed.push(open_depths(&stack));
        }
        assert_eq!(closed, [vec![0, 2, 3, 4], vec![0, 3, 4], vec![0, 4]]);
    }

    #[test]
    fn a_closed_directory_is_reopened_from_its_child_or_by_names() {
        let top = tempfile::tempdir().unwrap();
        for by_names in [false, true] {
            let top = top.path().join(by_names.to_string());
            fs::create_dir(&top).unwrap();
            let mut stack = deep_stack(&top, 4);
            while stack.close_one_fd() {}
            let child = stack.pop().unwrap().fd.filter(|_| !by_names);
            stack.reopen_deepest(child.as_deref(), true).unwrap();
            assert_eq!(open_depths(&stack), [0, 3]);
        }
    }

    #[test]
    fn a_directory_that_was_moved_out_of_the_tree_does_not_lead_out_of_it() {
        let top = tempfile::tempdir().unwrap();
        let [tree, outside] = ["tree", "outside"].map(|name| top.path().join(name));
        fs::create_dir(&tree).unwrap();
        fs::create_dir(&outside).unwrap();
        let mut stack = deep_stack(&tree, 4);
        while stack.close_one_fd() {}
        let child = stack.pop().unwrap().fd.unwrap();
        fs::rename(tree.join("d/d/d/d"), outside.join("d")).unwrap();
        stack.reopen_deepest(Some(&child), true).unwrap();
        assert_eq!(open_depths(&stack), [0, 3], "found by its names");
        stack.deepest_mut().unwrap().close_fd();
        fs::rename(tree.join("d/d/d"), outside.join("d/d")).unwrap();
        fs::create_dir(tree.join("d/d/d")).unwrap();
        let err = stack.reopen_deepest(Some(&child), true).unwrap_err();
        assert_eq!(err.to_string(), moved().to_string(), "another directory has its name");
    }
}
