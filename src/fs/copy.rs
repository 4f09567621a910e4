//! Copying files and trees: shared blocks where the filesystem can, else inside the kernel.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, SeekFrom, Timespec, Timestamps, fchmod, futimens, ioctl_ficlone, seek};
use rustix::io::Errno;

/// Asked now and then during a long copy; an error ends it.
pub(crate) type Interrupt<'a> = &'a dyn Fn() -> anyhow::Result<()>;

/// Which directory it is: device and inode.
pub(crate) type DirId = (u64, u64);

/// How a tree is copied.
#[derive(Clone, Copy)]
pub(crate) struct CopyOptions<'a> {
    /// Asked now and then.
    pub go_on: Interrupt<'a>,
    /// A directory that is passed over: the one that is copied into may lie in what is copied.
    pub except: DirId,
}

/// How much is copied before [`GoOn`] is asked again, in bytes.
const STEP: u64 = 64 * 1024 * 1024;

/// Fills an empty file with what another one holds, or what a pipe brings until its end. Shares the
/// blocks where both lie on a filesystem that can (`FICLONE`), and leaves out the holes of a sparse
/// file where not.
pub(crate) fn fill(from: impl AsFd, to: &OwnedFd, go_on: Interrupt<'_>) -> anyhow::Result<()> {
    if ioctl_ficlone(to, from.as_fd()).is_ok() {
        return Ok(());
    }
    let mut from = File::from(from.as_fd().try_clone_to_owned()?);
    let mut to = File::from(to.try_clone()?);
    let metadata = from.metadata()?;
    if metadata.is_file() {
        data(&mut from, &mut to, metadata.len(), go_on)?;
        // A hole at the end has no data to make the file that long.
        let copied = to.stream_position()?;
        to.set_len(metadata.len().max(copied))?;
        return Ok(());
    }
    stream(&mut from, &mut to, go_on)
}

/// Copies what a pipe or terminal brings, which may be nothing for a long time.
fn stream(from: &mut File, to: &mut File, go_on: Interrupt<'_>) -> anyhow::Result<()> {
    const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut block = vec![0; 256 * 1024];
    loop {
        go_on()?;
        let mut fds = [PollFd::new(&*from, PollFlags::IN)];
        match poll(&mut fds, Some(&PAUSE)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(err) => return Err(io::Error::from(err).into()),
        }
        match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&block[..count])?,
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// Copies the parts of a file that hold data, each to where it was, up to where it ended when it was
/// looked at: somebody may be adding to it all the time.
fn data(from: &mut File, to: &mut File, length: u64, go_on: Interrupt<'_>) -> anyhow::Result<()> {
    // What the kernel makes up as it is read has no length.
    let length = if length == 0 { u64::MAX } else { length };
    let mut at = 0;
    while at < length {
        let start = match seek(&*from, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(()),
            // A filesystem that knows nothing of holes.
            Err(_) => {
                from.seek(io::SeekFrom::Start(at))?;
                return copy_range(from, to, length - at, go_on);
            }
        };
        let end = seek(&*from, SeekFrom::Hole(start))?.min(length);
        if end <= start {
            break;
        }
        from.seek(io::SeekFrom::Start(start))?;
        to.seek(io::SeekFrom::Start(start))?;
        copy_range(from, to, end - start, go_on)?;
        at = end;
    }
    Ok(())
}

/// Copies up to `length` bytes from where both files stand. std's copy goes through
/// `copy_file_range`(2), sendfile(2) or splice(2), and through read and write at last.
fn copy_range(
    from: &mut File,
    to: &mut File,
    length: u64,
    go_on: Interrupt<'_>,
) -> anyhow::Result<()> {
    let mut left = length;
    while left > 0 {
        go_on()?;
        let portion = left.min(STEP);
        let copied = io::copy(&mut from.take(portion), to)?;
        if copied < portion {
            break;
        }
        left -= copied;
    }
    Ok(())
}

/// Gives a file the permission bits and times of another one. Set-uid and set-gid bits are not for
/// copies.
pub(crate) fn preserve_metadata(like: &fs::Metadata, file: impl AsFd) -> io::Result<()> {
    fchmod(&file, Mode::from_raw_mode(like.permissions().mode() & 0o777))?;
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    futimens(
        &file,
        &Timestamps {
            last_access: time(like.atime(), like.atime_nsec()),
            last_modification: time(like.mtime(), like.mtime_nsec()),
        },
    )?;
    Ok(())
}

/// Copies a file, a directory with all that is in it, or what a pipe brings, to a path where
/// nothing is. A symlink at `from` is followed, one inside a directory is copied as a link. Modes
/// and times are kept.
pub(crate) fn tree(from: &Path, to: &Path, manner: CopyOptions<'_>) -> anyhow::Result<()> {
    let metadata = fs::metadata(from).with_context(|| could_not_copy(from))?;
    if metadata.is_dir() {
        return directory(from, to, manner);
    }
    // A FIFO that nobody writes to yet is waited for in `stream`, where a signal is noticed.
    let source = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(from);
    let source = source.with_context(|| could_not_copy(from))?;
    file(&source, to, manner.go_on).with_context(|| could_not_copy(from))
}

fn could_not_copy(from: &Path) -> String {
    format!("could not copy {}", from.display())
}

fn file(source: &File, to: &Path, go_on: Interrupt<'_>) -> anyhow::Result<()> {
    let copy = OwnedFd::from(File::create_new(to)?);
    fill(source, &copy, go_on)?;
    let metadata = source.metadata()?;
    if metadata.is_file() {
        preserve_metadata(&metadata, &copy)?;
    }
    Ok(())
}

/// Opens what was a regular file a moment ago. If it has become something else since, it is not
/// followed, and not waited for.
fn open_regular(path: &Path) -> anyhow::Result<File> {
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(unsupported_type(path)) }
}

fn unsupported_type(path: &Path) -> anyhow::Error {
    anyhow!("{} is neither file, directory nor symlink", path.display())
}

/// Copies what is in a directory into one that is there already, or is made.
pub(crate) fn directory(from: &Path, to: &Path, manner: CopyOptions<'_>) -> anyhow::Result<()> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    let mut finished = Vec::new();
    while let Some((from, to)) = pending.pop() {
        let is_new = create_directory(&from, &to, &mut pending, manner)
            .with_context(|| could_not_copy(&from))?;
        if is_new {
            finished.push((from, to));
        }
    }
    // Last and from the inside out: writing into a directory changes its time, and one that its
    // owner may not write to has to be filled first.
    for (from, to) in finished.into_iter().rev() {
        let imitated =
            fs::metadata(&from).and_then(|metadata| preserve_metadata(&metadata, File::open(&to)?));
        imitated.with_context(|| could_not_copy(&from))?;
    }
    Ok(())
}

/// Makes a directory, unless it is there, and copies what is in it but for its subdirectories. True
/// where it was made.
fn create_directory(
    from: &Path,
    to: &Path,
    pending: &mut Vec<(PathBuf, PathBuf)>,
    manner: CopyOptions<'_>,
) -> anyhow::Result<bool> {
    let is_new = make_directory(to)?;
    for entry in fs::read_dir(from)? {
        (manner.go_on)()?;
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let metadata = entry.metadata()?;
            if (metadata.dev(), metadata.ino()) != manner.except {
                pending.push((entry.path(), target));
            }
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_file() {
            file(&open_regular(&entry.path())?, &target, manner.go_on)?;
        } else {
            return Err(unsupported_type(&entry.path()));
        }
    }
    Ok(is_new)
}

/// Makes a directory, unless there is one. A symlink is none: what was copied a moment before must
/// not lead out of the copy.
pub(crate) fn make_directory(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() { Ok(false) } else { Err(err) }
        }
        Err(err) => Err(err),
    }
}
