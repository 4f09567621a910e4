//! New content for a file, whole or not at all.
//!
//! It is written into a file without a name in the target's directory, so that a kill leaves
//! nothing, gets owner, mode and attributes of the old file, then a hidden name under a lease, and
//! takes the target's name by a rename. The old file is never opened for writing.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, Stat, accessat, fstat, fsync, openat, seek, statat,
};
use rustix::io::Errno;

use crate::attributes;
use crate::copy;
use crate::entropy::Entropy;
use crate::error::Tell as _;
use crate::lease::Lease;
use crate::lease::unnamed::Unnamed;
use crate::mount::blamed;
use crate::output::write_all;
use crate::place::Place;
use crate::stream::{self, Stuck};

/// How many symlinks are followed, as the kernel does it (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// A file that is there, or will be.
#[derive(Debug)]
pub struct Target {
    place: Place,
    name: OsString,
    /// As the user wrote it.
    shown: PathBuf,
    old: Option<Stat>,
}

impl Target {
    /// Finds a file by its path. A symlink is followed to what it points to, be that there or not.
    ///
    /// # Errors
    /// Where there is no such directory, the file may not be written to, or is no regular file.
    pub fn find(path: &Path) -> anyhow::Result<Self> {
        let could_not = || could_not_replace(path);
        let real = follow(path).with_context(could_not)?;
        let is_dir = path.as_os_str().as_bytes().ends_with(b"/");
        let name = real.file_name().filter(|_| !is_dir).ok_or(Errno::ISDIR);
        let name = name.map_err(io::Error::from).with_context(could_not)?.to_owned();
        let place = Place::open(real.parent().unwrap_or(Path::new("/"))).with_context(could_not)?;
        let mut target = Self { place, name, shown: path.to_owned(), old: None };
        target.old = target.look()?;
        if target.old.is_some() {
            // As a redirection: a file that may not be written to is not replaced either.
            accessat(&target.place, &target.name, Access::WRITE_OK, AtFlags::EACCESS)
                .map_err(io::Error::from)
                .with_context(could_not)?;
        }
        Ok(target)
    }

    /// The path without symlinks.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.place.real().join(&self.name)
    }

    fn look(&self) -> anyhow::Result<Option<Stat>> {
        let could_not = || could_not_replace(&self.shown);
        let stat = match statat(&self.place, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(err) => return Err(io::Error::from(err)).with_context(could_not),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(stat)),
            FileType::Directory => Err(io::Error::from(Errno::ISDIR)).with_context(could_not),
            _ => Err(anyhow!("it is no regular file"))
                .with_context(could_not)
                .hint("'>' writes into what is there"),
        }
    }
}

fn could_not_replace(path: &Path) -> String {
    format!("could not replace {}", path.display())
}

/// Follows the symlinks that a path ends in.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(err) if matches!(err.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => {
                return Ok(path);
            }
            Err(err) => return Err(err),
        }
    }
    Err(Errno::LOOP.into())
}

/// New content in the making.
#[derive(Debug)]
pub struct Replacement {
    target: Target,
    new: Unnamed,
    append: bool,
}

impl Replacement {
    /// Begins it: empty, or with what the file holds in order to append to that.
    ///
    /// # Errors
    /// Where no file can be made in the target's directory, or the old content cannot be read.
    pub fn begin(
        target: Target,
        append: bool,
        lease: &mut Lease,
        entropy: &mut Entropy,
    ) -> anyhow::Result<Self> {
        let could_not = could_not_replace(&target.shown);
        let place = Place::reopen(target.place.real()).with_context(|| could_not.clone())?;
        // A new file is made as the shell makes one, and nobody sees an old one's content before
        // it has its mode.
        let mode = if target.old.is_some() { 0o600 } else { 0o666 };
        let new = Unnamed::make(lease, entropy, place, mode).map_err(|err| {
            match err.root_cause().downcast_ref::<io::Error>() {
                Some(full) => {
                    let act = blamed(could_not, target.place.path(), full);
                    err.context(act)
                }
                None => err,
            }
        })?;
        let replacement = Self { target, new, append };
        if append && replacement.target.old.is_some() {
            replacement.copy_old()?;
        }
        Ok(replacement)
    }

    fn copy_old(&self) -> anyhow::Result<()> {
        let Target { place, name, shown, .. } = &self.target;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let old = openat(place, name, flags, Mode::empty()).map_err(io::Error::from);
        let old = old.with_context(|| format!("could not read {}", shown.display()))?;
        let new = self.new.as_fd().try_clone_to_owned()?;
        copy::fill(&old, &new, &|| Ok(())).map_err(|err| match err.downcast() {
            Ok(err) => self.told(Stuck::Writing(err), ""),
            Err(err) => err,
        })?;
        // Shared blocks move no offset.
        seek(&self.new, rustix::fs::SeekFrom::End(0))?;
        Ok(())
    }

    /// Adds all that a stream brings, and tells how much that was. `what` it is stands in messages.
    ///
    /// # Errors
    /// As read(2) and write(2).
    pub fn fill(&self, from: impl AsFd, what: &str) -> anyhow::Result<u64> {
        stream::drain(from, &self.new).map_err(|stuck| self.told(stuck, what))
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// As write(2).
    pub fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        write_all(self.new.as_fd(), bytes).map_err(|err| self.told(Stuck::Writing(err), ""))
    }

    fn told(&self, stuck: Stuck, what: &str) -> anyhow::Error {
        match stuck {
            Stuck::Reading(err) => {
                anyhow::Error::new(err).context(format!("could not read {what}"))
            }
            Stuck::Writing(err) => {
                let act = could_not_replace(&self.target.shown);
                let act = blamed(act, self.target.place.path(), &err);
                anyhow::Error::new(err).context(act)
            }
        }
    }

    /// Puts it in the target's place. `durable` says that it has to be on the disk when this
    /// returns. Returns what the user should know.
    ///
    /// # Errors
    /// Where it cannot be put there; the target is as it was then.
    pub fn commit(
        mut self,
        durable: bool,
        lease: &mut Lease,
        entropy: &mut Entropy,
    ) -> anyhow::Result<Vec<String>> {
        let now = self.target.look()?;
        if self.append && !is_same(self.target.old.as_ref(), now.as_ref()) {
            return Err(anyhow!("it has changed since its content was read"))
                .with_context(|| could_not_replace(&self.target.shown));
        }
        let notes = match now {
            Some(_) => self.imitate_old().map_err(|err| self.told(Stuck::Writing(err), ""))?,
            None => Vec::new(),
        };
        let synced = if durable { fsync(&self.new) } else { Ok(()) };
        synced.map_err(|err| self.told(Stuck::Writing(err.into()), ""))?;
        self.new.link(lease, entropy).with_context(|| could_not_replace(&self.target.shown))?;
        self.new.rename(&self.target.name).map_err(|err| self.told(Stuck::Writing(err), ""))?;
        if durable {
            sync_dir(&self.target.place).with_context(|| {
                format!("could not make sure that {} lasts", self.target.shown.display())
            })?;
        }
        Ok(notes)
    }

    /// Gives the new file what the old one has besides its content.
    fn imitate_old(&self) -> io::Result<Vec<String>> {
        let Target { place, name, shown, .. } = &self.target;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let old: OwnedFd = openat(place, name, flags, Mode::empty())?;
        let lost = attributes::keep(&old, &self.new)?;
        let shown = shown.display();
        let mut notes: Vec<String> =
            lost.into_iter().map(|what| format!("could not keep the {what} of {shown}")).collect();
        #[allow(clippy::useless_conversion, reason = "the width differs between architectures")]
        let others = u64::from(fstat(&old)?.st_nlink).saturating_sub(1);
        if others > 0 {
            let (s, keep) = if others == 1 { ("", "keeps") } else { ("s", "keep") };
            notes.push(format!("{shown} had {others} other name{s}, which {keep} the old content"));
        }
        Ok(notes)
    }
}

/// Whether a file is the one that was looked at before, and was not written to since.
fn is_same(before: Option<&Stat>, now: Option<&Stat>) -> bool {
    let stamp =
        |stat: &Stat| (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    before.map(stamp) == now.map(stamp)
}

fn sync_dir(place: &Place) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fsync(openat(place, c".", flags, Mode::empty())?)?)
}

/// Writes a file whole, by a rename.
///
/// # Errors
/// As [`Replacement`].
pub fn write_whole(
    path: &Path,
    bytes: &[u8],
    lease: &mut Lease,
    entropy: &mut Entropy,
) -> anyhow::Result<()> {
    let replacement = Replacement::begin(Target::find(path)?, false, lease, entropy)?;
    replacement.write(bytes)?;
    replacement.commit(false, lease, entropy).map(drop)
}
