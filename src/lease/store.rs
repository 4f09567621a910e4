//! Where leases are kept.
//!
//! `$TMPX_STATE_DIR` and then no other; else `$XDG_STATE_HOME/tmpx` or `~/.local/state/tmpx`, when
//! that is ours and on a local filesystem; else a directory of ours in /var/tmp, then in /tmp,
//! whatever TMPDIR says, so that a cleanup in another environment finds it. Writing takes the first
//! of the list that works, reading takes all that exist.
//!
//! A store is 0700 and ours: a foreign one is refused, a wrong mode of our own is mended.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, StatFs, chmodat, fchmod, fstat, mkdirat, openat, statfs,
};
use rustix::io::Errno;

use crate::lease::id::is_id;
use crate::os::Env;
use crate::values::ErrorExt as _;
use crate::values::error::strerror;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A place where a store may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreCandidate {
    path: PathBuf,
    kind: CandidateKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CandidateKind {
    /// The user named it.
    Explicit,
    /// Below this directory, which must be ours, and on a local filesystem.
    Home(PathBuf),
    /// In a directory that all share.
    Shared,
}

/// All places where the leases of this user may be, the first that works is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stores(Vec<StoreCandidate>);

/// An open store: the directory with the lease files.
#[derive(Debug)]
pub(crate) struct Store {
    leases: OwnedFd,
    path: PathBuf,
}

impl Stores {
    /// The list for this environment and user.
    pub(crate) fn new(env: &Env) -> anyhow::Result<Self> {
        if let Some(path) = env.get("TMPX_STATE_DIR").map(PathBuf::from) {
            if path.is_relative() {
                return Err(anyhow!("TMPX_STATE_DIR is not absolute: {}", path.display()))
                    .hint("give the full path, as in TMPX_STATE_DIR=$PWD/state");
            }
            return Ok(Self(vec![StoreCandidate { path, kind: CandidateKind::Explicit }]));
        }
        let in_home = |base: PathBuf, below: &str| StoreCandidate {
            path: base.join(below),
            kind: CandidateKind::Home(base),
        };
        let home = match (env.absolute("XDG_STATE_HOME"), env.absolute("HOME")) {
            (Some(state), _) => Some(in_home(state, "tmpx")),
            (None, Some(home)) => Some(in_home(home, ".local/state/tmpx")),
            (None, None) => None,
        };
        let uid = rustix::process::geteuid().as_raw();
        let shared = ["/var/tmp", "/tmp"].map(|dir| StoreCandidate {
            path: Path::new(dir).join(format!(".tmpx-{uid}")),
            kind: CandidateKind::Shared,
        });
        Ok(Self(home.into_iter().chain(shared).collect()))
    }

    /// Does something in the first store that can be opened, made if it must be, and goes on to
    /// the next where the disk of one is full or read-only.
    pub(crate) fn with_first<T>(
        &self,
        mut act: impl FnMut(Store) -> io::Result<T>,
    ) -> anyhow::Result<T> {
        let mut first = None;
        for candidate in &self.0 {
            let tried = candidate.open(true).and_then(&mut act);
            match tried {
                Ok(value) => return Ok(value),
                Err(err) if candidate.kind == CandidateKind::Explicit || is_ours_to_tell(&err) => {
                    return Err(err).with_context(|| candidate.could_not("write to"));
                }
                Err(err) => {
                    first.get_or_insert((candidate, err));
                }
            }
        }
        let (candidate, err) =
            first.unwrap_or_else(|| (&self.0[0], io::ErrorKind::NotFound.into()));
        Err(err)
            .with_context(|| candidate.could_not("write to"))
            .hint("set TMPX_STATE_DIR to a directory that you can write to")
    }

    /// All stores that exist, and what is wrong with those that cannot be opened.
    pub(crate) fn existing(&self) -> (Vec<Store>, Vec<String>) {
        let mut stores = Vec::new();
        let mut problems = Vec::new();
        for candidate in &self.0 {
            match candidate.open(false) {
                Ok(store) => stores.push(store),
                Err(err) if is_absent(&err) => {}
                // A place that nobody named and that cannot be a store of ours holds no leases.
                Err(_) if candidate.kind != CandidateKind::Explicit && !candidate.may_be_ours() => {
                }
                Err(err) => {
                    problems.push(format!("{}: {}", candidate.could_not("read"), strerror(&err)));
                }
            }
        }
        (stores, problems)
    }
}

/// Errors that another store would not mend.
fn is_ours_to_tell(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

fn is_absent(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::NotFound
}

/// Marks a directory that belongs to somebody else.
#[derive(Debug)]
struct Foreign;

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it belongs to another user")
    }
}

impl std::error::Error for Foreign {}

impl StoreCandidate {
    /// Whether it is a directory of ours that a store would be made in. Somebody else may have put
    /// anything at the shared places, and a home may be a link or on a network.
    fn may_be_ours(&self) -> bool {
        let us = rustix::process::geteuid().as_raw();
        let own_dir = rustix::fs::lstat(&self.path)
            .is_ok_and(|stat| stat.st_uid == us && crate::fs::dir::is_directory(stat.st_mode));
        own_dir && self.is_fit().is_ok()
    }

    /// Whether the place is one that a store may be in at all, whether it is there or not.
    fn is_fit(&self) -> io::Result<()> {
        let CandidateKind::Home(base) = &self.kind else { return Ok(()) };
        match check_owner_is_us(base) {
            // XDG_STATE_HOME may name a directory that is still to be made; whoever owns what is
            // above it decides whether that works. A HOME that is missing is none.
            Err(err) if is_absent(&err) && base.join("tmpx") == self.path => {}
            checked => checked?,
        }
        let existing = self.path.ancestors().find_map(|dir| statfs(dir).ok());
        if existing.is_some_and(|existing| is_local(&existing)) {
            Ok(())
        } else {
            Err(io::Error::other("it is not on a local filesystem"))
        }
    }

    fn could_not(&self, act: &str) -> String {
        format!("could not {act} the state directory {}", self.path.display())
    }

    /// Opens the store, and makes it first where `make` says so.
    fn open(&self, make: bool) -> io::Result<Store> {
        match self.open_existing(make) {
            Err(err) if make && is_absent(&err) => {
                self.make()?;
                self.open_existing(make)
            }
            opened => opened,
        }
    }

    fn open_existing(&self, mend: bool) -> io::Result<Store> {
        self.is_fit()?;
        let dir = open_own(CWD, &self.path, mend)?;
        let leases = open_own(dir.as_fd(), Path::new("leases"), mend)?;
        Ok(Store { leases, path: self.path.join("leases") })
    }

    fn make(&self) -> io::Result<()> {
        self.is_fit()?;
        let mut missing: Vec<&Path> = Vec::new();
        for dir in self.path.ancestors() {
            match rustix::fs::lstat(dir) {
                Ok(_) => break,
                Err(Errno::NOENT) => missing.push(dir),
                Err(err) => return Err(err.into()),
            }
        }
        for dir in missing.into_iter().rev() {
            make_dir(CWD, dir)?;
        }
        make_dir(open_own(CWD, &self.path, true)?.as_fd(), Path::new("leases"))
    }
}

/// Under sudo HOME may be somebody else's: what root made there, its owner could not write to any
/// more.
fn check_owner_is_us(home: &Path) -> io::Result<()> {
    if rustix::fs::stat(home)?.st_uid == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(io::Error::other(Foreign))
    }
}

fn make_dir(parent: rustix::fd::BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    match mkdirat(parent, path, Mode::RWXU) {
        // 0700 whatever the umask: other programs use what is above the store, too.
        Ok(()) => Ok(chmodat(parent, path, Mode::RWXU, AtFlags::empty())?),
        Err(Errno::EXIST) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

fn open_own(parent: rustix::fd::BorrowedFd<'_>, path: &Path, mend: bool) -> io::Result<OwnedFd> {
    let dir = match openat(parent, path, DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) if mend => {
            // Perhaps a mode of our own that keeps its owner out.
            let point = openat(parent, path, DIRECTORY | OFlags::PATH, Mode::empty())?;
            mend_mode(&point, |mode| crate::sys::chmod_path_fd(point.as_fd(), mode))?;
            openat(parent, path, DIRECTORY, Mode::empty())?
        }
        opened => opened?,
    };
    mend_mode(
        &dir,
        |mode| {
            if mend { Ok(fchmod(&dir, Mode::from_raw_mode(mode))?) } else { Ok(()) }
        },
    )?;
    Ok(dir)
}

fn mend_mode(dir: &OwnedFd, set: impl FnOnce(u32) -> io::Result<()>) -> io::Result<()> {
    let stat = fstat(dir)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(Foreign));
    }
    if stat.st_mode & 0o7777 == 0o700 { Ok(()) } else { set(0o700) }
}

/// Filesystems whose locks and handles are known to work: local ones. On network filesystems and
/// shares of virtual machines, locks hang or hold nobody off.
fn is_local(filesystem: &StatFs) -> bool {
    /// The magic numbers of statfs(2), from the kernel's include/uapi/linux/magic.h.
    const LOCAL: [i64; 12] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x794c_7630, // overlayfs
        0xf2f5_2010, // f2fs
        0x2fc1_2fc1, // zfs
        0xca45_1a4e, // bcachefs
        0x3153_464a, // jfs
        0x5265_4973, // reiserfs
        0xf15f,      // ecryptfs
    ];
    // The type's width differs between architectures; the magic numbers are 32 bits.
    #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
    let magic = filesystem.f_type as i64 & 0xffff_ffff;
    LOCAL.contains(&magic)
}

impl Store {
    /// Opens a store that exists, as [`Store::path`]'s parent names it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        StoreCandidate { path: path.to_owned(), kind: CandidateKind::Explicit }.open(false)
    }

    /// The directory with the lease files.
    pub(crate) fn dir(&self) -> rustix::fd::BorrowedFd<'_> {
        self.leases.as_fd()
    }

    /// Its path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all leases, oldest first: they begin with their time.
    pub(crate) fn ids(&self) -> io::Result<Vec<String>> {
        let mut ids: Vec<String> = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.leases)? {
            // What is not named like a lease is none of ours.
            if let Ok(name) = entry?.file_name().to_str()
                && is_id(name)
            {
                ids.push(name.to_owned());
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(pairs: &[(&str, &str)]) -> Vec<PathBuf> {
        let env = Env::Fixed(pairs.iter().map(|&(k, v)| (k.into(), v.into())).collect());
        Stores::new(&env).unwrap().0.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn the_state_directory_of_the_user_stands_before_the_shared_ones() {
        let uid = rustix::process::geteuid().as_raw();
        let shared = [format!("/var/tmp/.tmpx-{uid}"), format!("/tmp/.tmpx-{uid}")];
        let with = |first: &str| {
            let mut all = vec![PathBuf::from(first)];
            all.extend(shared.iter().map(PathBuf::from));
            all
        };
        assert_eq!(paths(&[("HOME", "/h")]), with("/h/.local/state/tmpx"));
        assert_eq!(paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]), with("/x/tmpx"));
        assert_eq!(paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "x")]), with("/h/.local/state/tmpx"));
        assert_eq!(paths(&[]), shared.iter().map(PathBuf::from).collect::<Vec<_>>());
    }

    #[test]
    fn an_explicit_state_directory_is_the_only_one() {
        assert_eq!(paths(&[("HOME", "/h"), ("TMPX_STATE_DIR", "/s")]), [PathBuf::from("/s")]);
        let relative = Env::Fixed([("TMPX_STATE_DIR".into(), "s".into())].into());
        assert!(Stores::new(&relative).is_err());
    }
}
