//! Copies one file: shares blocks if the filesystem can, and otherwise copies inside the kernel.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, SeekFrom, Timespec, ioctl_ficlone, openat, seek};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::fs::metadata::preserve_in_copy;
use crate::values::Progress;

/// Runs repeatedly during a long copy; an error ends the copy.
pub(crate) type Interrupt<'a, E = anyhow::Error> = &'a dyn Fn() -> Result<(), E>;

/// The number of bytes that are copied between two calls of [`Interrupt`].
const STEP: u64 = 64 * 1024 * 1024;

/// Fills an empty file with the content of another file, or with everything a pipe delivers. Shares
/// the blocks if both files lie on a filesystem that can (`FICLONE`); otherwise keeps the holes of a
/// sparse file.
pub(crate) fn fill<E: From<io::Error>>(
    from: impl AsFd,
    to: impl AsFd,
    check_interrupt: Interrupt<'_, E>,
) -> Result<(), E> {
    if ioctl_ficlone(to.as_fd(), from.as_fd()).is_ok() {
        return Ok(());
    }
    let from = File::from(from.as_fd().try_clone_to_owned()?);
    let to = File::from(to.as_fd().try_clone_to_owned()?);
    copy_content(&from, &to, check_interrupt, None)
}

/// Copies an open file into a new one. Preserves the metadata of a regular file, and returns the names
/// of what it could not preserve.
pub(super) fn copy_file(
    source: &File,
    metadata: &Metadata,
    to: impl AsFd,
    name: impl Arg,
    check_interrupt: Interrupt<'_>,
    progress: Option<&Progress>,
) -> anyhow::Result<Vec<String>> {
    let is_regular = metadata.is_file();
    // Nobody else may read the copy of a private file before it has the mode of that file.
    let mode = Mode::from_raw_mode(if is_regular { 0o600 } else { 0o666 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let copy = File::from(openat(to, name, flags, mode)?);
    if ioctl_ficlone(&copy, source).is_ok() {
        add(progress, metadata.len());
    } else {
        copy_content(source, &copy, check_interrupt, progress)?;
    }
    if !is_regular {
        return Ok(Vec::new());
    }
    Ok(preserve_in_copy(source, metadata, &copy)?)
}

fn copy_content<E: From<io::Error>>(
    from: &File,
    to: &File,
    check_interrupt: Interrupt<'_, E>,
    progress: Option<&Progress>,
) -> Result<(), E> {
    let metadata = from.metadata()?;
    if !metadata.is_file() {
        return copy_stream(from, to, check_interrupt, progress);
    }
    if let Some(length) = copy_data(from, to, metadata.len(), check_interrupt, progress)? {
        // No data follows a hole at the end, so only this gives the copy its length.
        to.set_len(length)?;
    }
    Ok(())
}

/// Copies everything from a pipe or terminal, which may deliver nothing for a long time.
fn copy_stream<E: From<io::Error>>(
    mut from: &File,
    mut to: &File,
    check_interrupt: Interrupt<'_, E>,
    progress: Option<&Progress>,
) -> Result<(), E> {
    const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut block = vec![0; 256 * 1024];
    loop {
        check_interrupt()?;
        let mut fds = [PollFd::new(from, PollFlags::IN)];
        match poll(&mut fds, Some(&PAUSE)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(err) => return Err(io::Error::from(err).into()),
        }
        match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                to.write_all(&block[..count])?;
                add(progress, count as u64);
            }
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// Copies the parts of a file that hold data, each to its own offset. Stops at the length that the
/// file had at the start: another process may append to it without end.
///
/// Returns the length of the copy if the source ends in a hole. The source alone decides where a hole
/// is. A stated length does not: files in /sys state 4096 bytes and deliver fewer, and another process
/// may truncate the file during the copy.
fn copy_data<E: From<io::Error>>(
    mut from: &File,
    mut to: &File,
    length: u64,
    check_interrupt: Interrupt<'_, E>,
    progress: Option<&Progress>,
) -> Result<Option<u64>, E> {
    if length == 0 {
        // Files that the kernel generates on reading may state no length, and then report no data.
        from.rewind()?;
        copy_range(from, to, u64::MAX, check_interrupt, progress)?;
        return Ok(None);
    }
    let mut offset = 0;
    while offset < length {
        let start = match seek(from, SeekFrom::Data(offset)) {
            Ok(start) => start,
            // Either a hole follows, or the file has become shorter.
            Err(Errno::NXIO) => {
                let end = from.metadata()?.len().min(length);
                return Ok((end > offset).then_some(end));
            }
            // The filesystem does not report holes.
            Err(_) => {
                from.seek(io::SeekFrom::Start(offset))?;
                copy_range(from, to, length - offset, check_interrupt, progress)?;
                return Ok(None);
            }
        };
        if start >= length {
            return Ok(Some(length));
        }
        let end = match seek(from, SeekFrom::Hole(start)) {
            Ok(end) => end.min(length),
            // The file has become shorter.
            Err(Errno::NXIO) => continue,
            Err(err) => return Err(io::Error::from(err).into()),
        };
        from.seek(io::SeekFrom::Start(start))?;
        to.seek(io::SeekFrom::Start(start))?;
        if copy_range(from, to, end - start, check_interrupt, progress)? < end - start {
            // The file ends here, whatever length it states.
            return Ok(None);
        }
        offset = end;
    }
    Ok(None)
}

/// Copies up to `length` bytes from the current offset of one file to that of the other. Returns the
/// number of bytes: fewer if the source ends earlier.
/// [`io::copy`] uses `copy_file_range`(2), sendfile(2) or splice(2), and falls back to read and write.
fn copy_range<E: From<io::Error>>(
    from: &File,
    mut to: &File,
    length: u64,
    check_interrupt: Interrupt<'_, E>,
    progress: Option<&Progress>,
) -> Result<u64, E> {
    let mut left = length;
    while left > 0 {
        check_interrupt()?;
        let step = left.min(STEP);
        let copied = io::copy(&mut from.take(step), &mut to)?;
        add(progress, copied);
        left -= copied;
        if copied < step {
            break;
        }
    }
    Ok(length - left)
}

fn add(progress: Option<&Progress>, bytes: u64) {
    if let Some(progress) = progress {
        progress.add(0, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Copies a file of `data` bytes and a hole up to `length`, which another process shortens to
    /// `shortened` while its first data are copied.
    fn copy_of(data: usize, length: u64, shortened: u64) -> Vec<u8> {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(&vec![b'x'; data]).unwrap();
        from.set_len(length).unwrap();
        let mut to = tempfile::tempfile().unwrap();
        let is_first = Cell::new(true);
        let check_interrupt = || {
            if is_first.replace(false) {
                from.set_len(shortened)?;
            }
            io::Result::Ok(())
        };
        copy_content(&from, &to, &check_interrupt, None).unwrap();
        to.rewind().unwrap();
        let mut copy = Vec::new();
        to.read_to_end(&mut copy).unwrap();
        copy
    }

    #[test]
    fn a_file_that_is_truncated_during_the_copy_is_not_padded() {
        assert_eq!(copy_of(1 << 20, 1 << 20, 10), b"x".repeat(10));
        assert_eq!(copy_of(1 << 20, 1 << 20, 0), b"");
        assert_eq!(copy_of(1 << 20, 1 << 30, 10), b"x".repeat(10));
    }

    #[test]
    fn a_hole_at_the_end_is_as_long_as_the_source_says() {
        let expected = [vec![b'x'; 1 << 16], vec![0; 1 << 16]].concat();
        assert!(copy_of(1 << 16, 1 << 17, 1 << 17) == expected);
        assert!(copy_of(1 << 16, 1 << 30, 1 << 17) == expected);
    }
}
