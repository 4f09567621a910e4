//! Resolves the symlinks of a path, and refuses those that another user may have planted.
//!
//! The kernel refuses to follow them too, if the administrator has enabled that
//! (`fs.protected_symlinks` in proc(5)). Containers and small systems often have not. Each symlink is
//! judged by its descriptor, so that nobody can exchange it between the look and the step.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

use crate::os::effective_user;

/// How many symlinks are followed: as many as the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Opens an entry for `fstat` and further steps only.
const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether another user may have planted an entry in a directory as a trap: anyone may create entries
/// there, and it belongs neither to us nor to the owner of the directory. The kernel's rule is the same,
/// and applies to root too.
pub(crate) fn may_be_planted(owner: u32, dir_owner: u32, dir_mode: u32) -> bool {
    dir_mode & 0o1002 == 0o1002 && owner != effective_user() && owner != dir_owner
}

/// Returns an absolute path without symlinks. Fails with `EACCES` at one that may be planted.
pub(super) fn real_path(path: &Path) -> io::Result<PathBuf> {
    let mut at = openat(CWD, "/", STEP, Mode::empty())?;
    let mut real = PathBuf::from("/");
    let mut rest = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        let entry = openat(&at, &part, STEP, Mode::empty())?;
        let stat = fstat(&entry)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP.into());
            }
            let target = read_link(&entry, stat.st_uid, &at)?;
            if target.is_absolute() {
                at = openat(CWD, "/", STEP, Mode::empty())?;
                real = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        } else {
            at = entry;
            if part == ".." {
                real.pop();
            } else {
                real.push(part);
            }
        }
    }
    Ok(real)
}

/// Returns the names in a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let is_step =
        |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(is_step).map(|part| part.as_os_str().to_owned()).collect()
}

fn read_link(link: &OwnedFd, owner: u32, dir: impl AsFd) -> io::Result<PathBuf> {
    let dir = fstat(dir)?;
    if may_be_planted(owner, dir.st_uid, dir.st_mode) {
        return Err(Errno::ACCESS.into());
    }
    Ok(OsString::from_vec(readlinkat(link, c"", Vec::new())?.into_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_resolved_as_the_library_does() {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path();
        fs::create_dir_all(base.join("a/b")).unwrap();
        symlink("a/b/..", base.join("up")).unwrap();
        symlink(base.join("up"), base.join("a/b/far")).unwrap();
        symlink("loop", base.join("loop")).unwrap();
        for path in ["a", "up/b/../b", "a/b/far/b/far", "a/../..", "up/./b/"] {
            let path = base.join(path);
            assert_eq!(real_path(&path).unwrap(), fs::canonicalize(&path).unwrap(), "{path:?}");
        }
        for path in ["loop", "up/none", "up/b/none/x"] {
            let path = base.join(path);
            let expected = fs::canonicalize(&path).unwrap_err().raw_os_error();
            assert_eq!(real_path(&path).unwrap_err().raw_os_error(), expected, "{path:?}");
        }
    }

    /// The walk opens one part at a time and follows nothing, so the kernel's own protection of symlinks does
    /// not hide what this refuses.
    #[test]
    fn a_planted_symlink_is_refused_wherever_it_is_in_a_path() {
        if effective_user() != 0 {
            assert!(std::env::var_os("CI").is_none(), "no root, and CI must not skip");
            println!("skipped: no root");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(temp.path()).unwrap();
        fs::create_dir_all(base.join("private/sub")).unwrap();
        fs::create_dir(base.join("sticky")).unwrap();
        for (link, target) in [
            ("sticky/theirs", "../private"),
            ("sticky/ours", "theirs"),
            ("outside", "sticky/theirs/sub"),
        ] {
            symlink(target, base.join(link)).unwrap();
        }
        std::os::unix::fs::lchown(base.join("sticky/theirs"), Some(65534), None).unwrap();
        let set_mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(base.join("sticky"), mode).unwrap();
        };
        let paths = ["sticky/theirs", "sticky/theirs/sub", "sticky/ours", "outside"];
        let real = |path: &str| real_path(&base.join(path));
        set_mode(0o1777);
        for path in paths {
            assert_eq!(real(path).unwrap_err().raw_os_error(), Some(libc::EACCES), "{path}");
        }
        for mode in [0o777, 0o1775] {
            set_mode(mode);
            for path in paths {
                assert!(real(path).unwrap().starts_with(base.join("private")), "{path} {mode:o}");
            }
        }
    }

    #[test]
    fn only_what_others_put_where_anyone_may_is_planted() {
        let us = effective_user();
        let (other, root) = (us + 1, us + 2);
        assert!(may_be_planted(other, root, 0o1777));
        for (owner, mode) in [(us, 0o1777), (root, 0o1777), (other, 0o777), (other, 0o1775)] {
            assert!(!may_be_planted(owner, root, mode), "{owner} {mode:o}");
        }
    }
}
