//! Finds the file to replace, and checks that it may be replaced, before any input is read.
//!
//! `tmpx replace` stands in for a redirection, so it refuses what the kernel refuses to a
//! redirection. The rename that it uses needs fewer rights: it would replace a file that the user
//! may not write to. And this module follows symlinks itself, unseen by the kernel's protection of
//! symlinks in sticky directories: in a directory like /tmp, another user could lead tmpx to any of
//! the caller's files.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, StatxAttributes, StatxFlags,
    fstat, fstatfs, openat, readlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::fs::{Dir, FileStamp, may_be_planted};
use crate::lease::CreateError;
use crate::os::{effective_user, has_mapping};
use crate::sys::{may_access, statx};

/// How many symlinks are followed: as many as the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Opens an entry for `fstat` only, and does not follow it if it is a symlink.
const PATH_ONLY_NOFOLLOW: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What to do if the file to replace has changed since the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnChange {
    /// Replace it all the same, as a redirection does.
    Replace,
    /// Fail: a command has computed the new content from the old.
    Fail,
    /// The new content follows the old content: append it to the present content.
    Append,
}

/// Why a file cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// Some programs take a dash for standard output, others for a file. Neither would be what
    /// everybody means.
    #[error("it stands for standard output")]
    StandardOutput,
    #[error("it is not a regular file")]
    NotRegularFile,
    #[error("it refers to a file that a process has open")]
    OpenFileOfProcess,
    #[error("it is a mount point")]
    MountPoint,
    #[error("it is append-only (chattr +a)")]
    AppendOnly,
    #[error("it is immutable (chattr +i)")]
    Immutable,
    #[error("its directory is append-only (chattr +a)")]
    AppendOnlyDir,
    #[error("sticky directory: only the owner may replace this file")]
    NotOwner,
    #[error("it belongs to another user, in a directory where anyone can create files")]
    UntrustedFile,
    #[error("the symlink belongs to another user, in a directory where anyone can create symlinks")]
    UntrustedSymlink,
    #[error("it changed while the command ran")]
    ChangedByCommand,
    #[error("the copy of it changed while the command ran")]
    CopyChangedByCommand,
    #[error("other processes keep changing it")]
    KeepsChanging,
    #[error("another process has it open for writing")]
    OpenForWriting(OnChange),
    #[error("other processes may change it: it can be neither locked nor exchanged")]
    Unprotected,
    /// The file itself may be written to.
    #[error(transparent)]
    ClosedDir(CreateError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether other programs would write to standard output for this path. No command of tmpx writes a
/// file for it.
pub(crate) fn stands_for_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl From<Errno> for ReplaceError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// The place of the file to replace: a directory and a name in it. The file need not exist.
#[derive(Debug)]
pub(crate) struct Target {
    dir: Dir,
    name: OsString,
    shown: PathBuf,
    /// The symlinks that led to it, in their order.
    links: Vec<FollowedLink>,
    /// The file that was there when the target was found. The owner and mode of one that appears later are
    /// those of whoever has created it.
    first: Option<Existing>,
}

/// A symlink that was followed at the end of a path.
#[derive(Debug)]
struct FollowedLink {
    dir: Dir,
    name: OsString,
    to: PathBuf,
}

impl FollowedLink {
    /// Whether it still leads to the same path.
    fn is_unchanged(&self) -> bool {
        read_link(&self.dir, &self.name).is_ok_and(|to| to == self.to)
    }
}

fn read_link(dir: impl AsFd, name: impl Arg) -> rustix::io::Result<PathBuf> {
    let to = readlinkat(dir, name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(to.into_bytes())))
}

/// The file to replace, as it was when it was looked up. The descriptor grants no access (`O_PATH`),
/// and refers to this very file even after its name has changed.
#[derive(Debug)]
pub(crate) struct Existing {
    file: OwnedFd,
    pub(crate) stat: Stat,
}

impl AsFd for Existing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Existing {
    /// Looks up a file in a directory.
    pub(crate) fn look_up(dir: &Dir, name: &OsStr) -> Result<Option<Self>, ReplaceError> {
        let file = match openat(dir, name, PATH_ONLY_NOFOLLOW, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(err) => return Err(err.into()),
        };
        let stat = fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(Self { file, stat })),
            FileType::Directory => Err(Errno::ISDIR.into()),
            _ => Err(ReplaceError::NotRegularFile),
        }
    }

    /// Whether `other` is the same file, and nobody has touched it. A new link, owner or mode counts: it
    /// could hide a new content whose size and time are those of the old one.
    pub(crate) fn is_untouched(&self, other: &Self) -> bool {
        FileStamp::from(&self.stat) == FileStamp::from(&other.stat)
    }

    /// Whether `other` is the same file with the same content, as far as size and time show. A rename sets
    /// the one time that no program can set, and is no difference.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        FileStamp::from(&self.stat).has_content_of(&FileStamp::from(&other.stat))
    }

    /// Waits until every later change of the file shows.
    pub(crate) fn await_tick(&self) {
        FileStamp::await_tick([&FileStamp::from(&self.stat)]);
    }

    /// Whether `other` is the same file, whatever its content.
    pub(crate) fn is_same_file(&self, other: &Stat) -> bool {
        FileStamp::from(&self.stat).is_file_of(&FileStamp::from(other))
    }
}

impl Target {
    /// Finds the file that a path leads to. Symlinks are followed, even if the file that they point
    /// to does not exist.
    pub(crate) fn find(path: &Path) -> anyhow::Result<Self> {
        Self::locate(path).with_context(|| could_not_replace(path))
    }

    fn locate(path: &Path) -> Result<Self, ReplaceError> {
        if stands_for_stdout(path) {
            return Err(ReplaceError::StandardOutput);
        }
        let mut target = follow(path)?;
        Ownership::of(&target.dir)?.may_rename()?;
        target.first = target.look_up_checked()?;
        Ok(target)
    }

    /// Takes the file that was there when the target was found.
    pub(crate) fn take_first(&mut self) -> Option<Existing> {
        self.first.take()
    }

    /// Looks the file up again, and checks again that it may be replaced: another user may have
    /// created it meanwhile.
    pub(crate) fn look_up_checked(&self) -> Result<Option<Existing>, ReplaceError> {
        let existing = self.look_up()?;
        if let Some(existing) = &existing {
            self.check(existing, &Ownership::of(&self.dir)?)?;
        }
        Ok(existing)
    }

    /// Whether the path that the user wrote still leads to this place.
    pub(crate) fn is_where_it_was(&self) -> bool {
        self.links.iter().all(FollowedLink::is_unchanged)
    }

    /// Whether its path leads through this entry of a directory, or to it.
    pub(crate) fn leads_through(&self, dir: &Dir, name: &OsStr) -> bool {
        let id = |dir: &Dir| fstat(dir).map(|stat| FileStamp::from(&stat).file_id());
        let links = self.links.iter().map(|link| (&link.dir, &link.name));
        links.chain([(&self.dir, &self.name)]).any(|(other_dir, other)| {
            other == name && id(other_dir).is_ok_and(|other| id(dir) == Ok(other))
        })
    }

    /// Whether an open file is the one that was there when the target was found.
    pub(crate) fn is_open_as(&self, file: impl AsFd) -> bool {
        let is_same = |first: &Existing| fstat(file).is_ok_and(|stat| first.is_same_file(&stat));
        self.first.as_ref().is_some_and(is_same)
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn name(&self) -> &OsString {
        &self.name
    }

    /// Returns the path without symlinks.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.real_path().join(&self.name)
    }

    /// Returns the path as the user wrote it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Returns the message for a failure to replace this file.
    pub(crate) fn could_not_replace(&self) -> String {
        could_not_replace(&self.shown)
    }

    /// Looks up the file that has the name now, if one has it.
    pub(crate) fn look_up(&self) -> Result<Option<Existing>, ReplaceError> {
        self.look_up_name(&self.name)
    }

    /// Opens the file that has the name now. Does not wait, even if it is a FIFO by now.
    pub(crate) fn open_file(&self, access: OFlags) -> io::Result<OwnedFd> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&self.dir, &self.name, flags, Mode::empty())?)
    }

    /// Opens it for reading unless another file has the name.
    pub(crate) fn open_if_same(&self, existing: &Existing) -> io::Result<Option<OwnedFd>> {
        let file = self.open_file(OFlags::RDONLY)?;
        Ok(existing.is_same_file(&fstat(&file)?).then_some(file))
    }

    /// Looks up another file in the same directory.
    pub(crate) fn look_up_name(&self, name: &OsStr) -> Result<Option<Existing>, ReplaceError> {
        Existing::look_up(&self.dir, name)
    }

    /// Checks that an existing file may be replaced.
    fn check(&self, existing: &Existing, dir: &Ownership) -> Result<(), ReplaceError> {
        let entry = Ownership::of(existing)?;
        let may_rename = dir.may_rename_over(&entry);
        if matches!(may_rename, Err(ReplaceError::Immutable)) {
            return may_rename;
        }
        // A rename needs no right to write to the file, but a redirection does.
        may_access(&self.dir, &self.name, Access::WRITE_OK)?;
        match may_rename {
            Ok(()) | Err(ReplaceError::NotOwner) if dir.is_untrusted(entry.owner) => {
                Err(ReplaceError::UntrustedFile)
            }
            checked => checked,
        }
    }
}

/// Asks the kernel whether an entry of a directory can be renamed over, as far as it answers before
/// the rename. The entry need not exist.
pub(crate) fn check_rename_over(dir: &Dir, name: &OsStr) -> Result<(), ReplaceError> {
    let of_dir = Ownership::of(dir)?;
    of_dir.may_rename()?;
    match openat(dir, name, PATH_ONLY_NOFOLLOW, Mode::empty()) {
        Ok(entry) => of_dir.may_rename_over(&Ownership::of(entry)?),
        Err(Errno::NOENT) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

fn could_not_replace(path: &Path) -> String {
    format!("could not replace {}", path.display())
}

/// The attributes of a file or directory that decide who may do what with it.
struct Ownership {
    owner: u32,
    group: u32,
    mode: u32,
    attributes: StatxAttributes,
}

impl Ownership {
    fn of(file: impl AsFd) -> io::Result<Self> {
        let wanted = StatxFlags::UID | StatxFlags::GID | StatxFlags::MODE;
        let stat = statx(&file, c"", AtFlags::EMPTY_PATH, wanted)?;
        Ok(Self {
            owner: stat.stx_uid,
            group: stat.stx_gid,
            mode: stat.stx_mode.into(),
            attributes: stat.stx_attributes & stat.stx_attributes_mask,
        })
    }

    fn is_sticky(&self) -> bool {
        self.mode & 0o1000 != 0
    }

    /// Whether another user may have planted an entry of this directory as a trap. This is the rule
    /// of `fs.protected_symlinks` and `fs.protected_regular` (proc(5)), which nearly all systems
    /// enable, and which applies to root too.
    fn is_untrusted(&self, owner: u32) -> bool {
        may_be_planted(owner, self.owner, self.mode)
    }

    /// Checks that entries of this directory may be renamed. In an append-only one, a new file could be
    /// created, but neither renamed nor removed.
    fn may_rename(&self) -> Result<(), ReplaceError> {
        if self.attributes.contains(StatxAttributes::APPEND) {
            return Err(ReplaceError::AppendOnlyDir);
        }
        Ok(())
    }

    /// Checks that the kernel lets us rename over an entry of this directory.
    fn may_rename_over(&self, entry: &Self) -> Result<(), ReplaceError> {
        let is = |attribute| entry.attributes.contains(attribute);
        if is(StatxAttributes::APPEND) {
            return Err(ReplaceError::AppendOnly);
        }
        if is(StatxAttributes::IMMUTABLE) {
            return Err(ReplaceError::Immutable);
        }
        if is(StatxAttributes::MOUNT_ROOT) {
            return Err(ReplaceError::MountPoint);
        }
        if self.sticky_forbids_rename(entry) {
            return Err(ReplaceError::NotOwner);
        }
        Ok(())
    }

    /// Whether the sticky bit of this directory forbids us to rename over an entry (`inode(7)`).
    fn sticky_forbids_rename(&self, entry: &Self) -> bool {
        let us = effective_user();
        let is_ours = [entry.owner, self.owner].contains(&us);
        self.is_sticky() && !is_ours && !(us == 0 && has_mapping(entry.owner, entry.group))
    }
}

/// Follows the symlinks at the end of a path.
fn follow(path: &Path) -> Result<Target, ReplaceError> {
    let mut at = resolve_parent(path)?;
    let mut links = Vec::new();
    for _ in 0..MAX_LINKS {
        let dir = Dir::open(at.parent().unwrap_or(Path::new("/")))?;
        let name = at.file_name().ok_or(Errno::ISDIR)?.to_owned();
        let to = match openat(&dir, &name, PATH_ONLY_NOFOLLOW, Mode::empty()) {
            Ok(entry) => follow_entry(&entry, &dir)?,
            Err(Errno::NOENT) => None,
            Err(err) => return Err(err.into()),
        };
        let Some(to) = to else {
            return Ok(Target { dir, name, shown: path.to_owned(), links, first: None });
        };
        at = resolve_parent(&dir.path().join(&to))?;
        links.push(FollowedLink { dir, name, to });
    }
    Err(Errno::LOOP.into())
}

/// Returns where an entry of a directory leads if it is a symlink. Fails if that may not be followed.
fn follow_entry(entry: &OwnedFd, dir: &Dir) -> Result<Option<PathBuf>, ReplaceError> {
    let ownership = Ownership::of(entry)?;
    if FileType::from_raw_mode(ownership.mode) != FileType::Symlink {
        return Ok(None);
    }
    // The text of a link in /proc is not a path but a description: 'pipe:[1]', '/a (deleted)'.
    if fstatfs(entry).is_ok_and(|fs| fs.f_type == PROC_SUPER_MAGIC) {
        return Err(ReplaceError::OpenFileOfProcess);
    }
    if Ownership::of(dir)?.is_untrusted(ownership.owner) {
        return Err(ReplaceError::UntrustedSymlink);
    }
    Ok(Some(read_link(entry, c"")?))
}

/// Makes a path absolute. Fails if its form (a trailing slash, a dot) allows only a directory.
fn resolve_parent(path: &Path) -> io::Result<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    let last = bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if matches!(last, b"" | b"." | b"..") {
        return Err(Errno::ISDIR.into());
    }
    std::path::absolute(path)
}
