//! The file that is to be replaced: where it is, and whether it can be.
//!
//! It stands in for a redirection, so what the kernel refuses to one is refused here. A rename asks
//! for less: it would take the place of a file that may not be written to. And where this module
//! follows a symlink, the kernel does not see it do so: in a directory like /tmp, anybody could lead
//! us to any file of ours. All of that is found out before anything is read.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, StatxAttributes, StatxFlags,
    accessat, fstat, fstatfs, open, openat, readlinkat, statx,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::fs::Dir;
use crate::values::ErrorExt as _;

/// How many symlinks are followed, as the kernel does it (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// A path without its last symlink being followed, and without anything being done there.
const PATH_ONLY_NOFOLLOW: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A file that is there, or will be.
#[derive(Debug)]
pub(crate) struct Target {
    place: Dir,
    name: OsString,
    shown: PathBuf,
}

/// A file as it was when it was looked at. The descriptor is a mere path (`O_PATH`), and stays with
/// that very file whatever becomes of its name.
#[derive(Debug)]
pub(crate) struct Existing {
    file: OwnedFd,
    /// What was to be said of it.
    pub stat: Stat,
}

impl AsFd for Existing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Existing {
    /// Whether it is the same file, and was not written to since.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let stamp = |Stat { st_dev, st_ino, st_size, st_mtime, st_mtime_nsec, .. }: Stat| {
            (st_dev, st_ino, st_size, st_mtime, st_mtime_nsec)
        };
        stamp(self.stat) == stamp(other.stat)
    }
}

impl Target {
    /// Finds a file by its path. A symlink is followed to what it points to, be that there or not.
    pub(crate) fn find(path: &Path) -> anyhow::Result<Self> {
        Self::find_unexplained(path).with_context(|| could_not_replace(path))
    }

    fn find_unexplained(path: &Path) -> anyhow::Result<Self> {
        let real = follow(path)?;
        let name = real.file_name().ok_or(Errno::ISDIR).map_err(io::Error::from)?.to_owned();
        let place = Dir::open(real.parent().unwrap_or(Path::new("/")))?;
        let target = Self { place, name, shown: path.to_owned() };
        let dir = Ownership::of(&target.place)?;
        if dir.attributes.contains(StatxAttributes::APPEND) {
            // Something could be made in there, and neither renamed nor removed.
            return denied(Errno::PERM, "nothing can be replaced in a directory with chattr +a");
        }
        if let Some(old) = target.look()? {
            target.may_be_replaced(&old, &dir)?;
        }
        Ok(target)
    }

    /// The directory it is in.
    pub(crate) fn place(&self) -> &Dir {
        &self.place
    }

    /// Its name there.
    pub(crate) fn name(&self) -> &OsString {
        &self.name
    }

    /// The path without symlinks.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.real_path().join(&self.name)
    }

    /// As the user wrote it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// What is said when it could not be replaced.
    pub(crate) fn could_not_replace(&self) -> String {
        could_not_replace(&self.shown)
    }

    /// What there is under its name now.
    pub(crate) fn look(&self) -> anyhow::Result<Option<Existing>> {
        let file = match openat(&self.place, &self.name, PATH_ONLY_NOFOLLOW, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(err) => return Err(io::Error::from(err).into()),
        };
        let stat = fstat(&file).map_err(io::Error::from)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(Existing { file, stat })),
            FileType::Directory => Err(io::Error::from(Errno::ISDIR).into()),
            _ => Err(anyhow!("it is no regular file")).hint("'>' writes into what is there"),
        }
    }

    fn may_be_replaced(&self, old: &Existing, dir: &Ownership) -> anyhow::Result<()> {
        // As a redirection: a file that may not be written to is not replaced either.
        accessat(&self.place, &self.name, Access::WRITE_OK, AtFlags::EACCESS)
            .map_err(io::Error::from)?;
        let Ownership { owner, attributes, .. } = Ownership::of(old)?;
        if attributes.contains(StatxAttributes::APPEND) {
            return denied(Errno::PERM, "a file with chattr +a can only be added to, by '>>'");
        }
        if attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return denied(Errno::BUSY, "it is a mount point; '>' writes into what is there");
        }
        if dir.is_untrusted(owner) {
            return denied(
                Errno::ACCESS,
                "anybody may put a file there, and this one is not yours",
            );
        }
        if dir.sticky_forbids_rename(owner) {
            return denied(Errno::PERM, "in that directory each can replace only what is theirs");
        }
        Ok(())
    }
}

fn could_not_replace(path: &Path) -> String {
    format!("could not replace {}", path.display())
}

fn denied<T>(why: Errno, hint: &str) -> anyhow::Result<T> {
    Err(io::Error::from(why)).hint(hint)
}

/// What counts for who may do what.
struct Ownership {
    owner: u32,
    mode: u32,
    attributes: StatxAttributes,
}

impl Ownership {
    fn of(file: impl AsFd) -> io::Result<Self> {
        let wanted = StatxFlags::UID | StatxFlags::MODE;
        match statx(&file, c"", AtFlags::EMPTY_PATH, wanted) {
            Ok(stat) => Ok(Self {
                owner: stat.stx_uid,
                mode: stat.stx_mode.into(),
                attributes: stat.stx_attributes & stat.stx_attributes_mask,
            }),
            // Before Linux 4.11, and in sandboxes that know no statx.
            Err(Errno::NOSYS | Errno::PERM) => {
                let Stat { st_uid, st_mode, .. } = fstat(&file)?;
                Ok(Self { owner: st_uid, mode: st_mode, attributes: StatxAttributes::empty() })
            }
            Err(err) => Err(err.into()),
        }
    }

    fn is_sticky(&self) -> bool {
        self.mode & 0o1000 != 0
    }

    /// Whether an entry of this directory may have been put there for us to fall into: the rule of
    /// `fs.protected_symlinks` and `fs.protected_regular` (proc(5)), which is on by default nearly
    /// everywhere, and holds for root too.
    fn is_untrusted(&self, owner: u32) -> bool {
        let anybody_writes = self.mode & 0o002 != 0;
        self.is_sticky() && anybody_writes && owner != geteuid().as_raw() && owner != self.owner
    }

    /// Whether a rename over an entry of this directory is not for us (`inode(7)`, the sticky bit).
    fn sticky_forbids_rename(&self, owner: u32) -> bool {
        let us = geteuid();
        let ours = us.is_root() || [owner, self.owner].contains(&us.as_raw());
        self.is_sticky() && !ours
    }
}

/// Follows the symlinks that a path ends in.
fn follow(path: &Path) -> anyhow::Result<PathBuf> {
    let mut at = resolve_parent(path)?;
    for _ in 0..MAX_LINKS {
        let link = match open(&at, PATH_ONLY_NOFOLLOW, Mode::empty()) {
            Ok(link) => link,
            Err(Errno::NOENT) => return Ok(at),
            Err(err) => return Err(io::Error::from(err).into()),
        };
        let about = Ownership::of(&link)?;
        if FileType::from_raw_mode(about.mode) != FileType::Symlink {
            return Ok(at);
        }
        let dir = at.parent().unwrap_or(Path::new("/")).to_owned();
        may_be_followed(&link, &about, &dir)?;
        let target = readlinkat(&link, c"", Vec::new()).map_err(io::Error::from)?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        at = resolve_parent(&dir.join(target))?;
    }
    Err(io::Error::from(Errno::LOOP).into())
}

/// A path made absolute. One that can only be a directory's is none of a file.
fn resolve_parent(path: &Path) -> io::Result<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    let last = bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if matches!(last, b"" | b"." | b"..") {
        return Err(Errno::ISDIR.into());
    }
    std::path::absolute(path)
}

fn may_be_followed(link: &OwnedFd, about: &Ownership, dir: &Path) -> anyhow::Result<()> {
    // There, the text of a link is no path, but says what there is: 'pipe:[1]', '/a (deleted)'.
    if fstatfs(link).is_ok_and(|fs| fs.f_type == PROC_SUPER_MAGIC) {
        return Err(anyhow!("it stands for what a process has open"))
            .hint("'tmpx spool' writes to stdout");
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(dir, flags, Mode::empty()).map_err(io::Error::from)?;
    if Ownership::of(dir)?.is_untrusted(about.owner) {
        return denied(Errno::ACCESS, "anybody may put a symlink there, and this one is not yours");
    }
    Ok(())
}
