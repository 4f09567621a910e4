//! Calls that older kernels lack and sandboxes refuse, each with what replaces it there. A sandbox
//! that does not know a call refuses it with EPERM or ENOSYS.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, Stat, Statx, StatxFlags, accessat, makedev, openat, statat,
};
use rustix::io::{Errno, Result, read};
use rustix::path::Arg;
use rustix::process::Rlimit;
use rustix::rand::{GetRandomFlags, getrandom};

/// Whether an error can mean that the system does not know the call.
pub(crate) fn is_unknown_call(err: Errno) -> bool {
    matches!(err, Errno::NOSYS | Errno::PERM)
}

/// statx(2), since Linux 4.11. Without it, the result has no birth time, no attributes and no mount.
pub(crate) fn statx(
    dir: impl AsFd,
    name: &CStr,
    flags: AtFlags,
    mask: StatxFlags,
) -> Result<Statx> {
    match rustix::fs::statx(&dir, name, flags, mask) {
        Err(err) if is_unknown_call(err) => Ok(to_statx(&statat(dir, name, flags)?)),
        result => result,
    }
}

/// getrlimit(2) for open files. Returns `None` where a sandbox refuses it. The function of rustix takes
/// for granted that it succeeds.
pub(crate) fn fd_limit() -> Option<Rlimit> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live local value, which the call fills.
    if unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return None;
    }
    let limited = |most| (most != libc::RLIM64_INFINITY).then_some(most);
    Some(Rlimit { current: limited(limit.rlim_cur), maximum: limited(limit.rlim_max) })
}

/// Expresses the result of stat(2) as one of statx(2). The mask says which fields it has.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "the widths differ between architectures; a mode has 16 bits, and no value is negative"
)]
fn to_statx(stat: &Stat) -> Statx {
    // SAFETY: all fields of this structure of the kernel are integers, for which zero is a value.
    let mut statx: Statx = unsafe { MaybeUninit::zeroed().assume_init() };
    statx.stx_mask = StatxFlags::BASIC_STATS.bits();
    statx.stx_blksize = stat.st_blksize as u32;
    statx.stx_nlink = stat.st_nlink as u32;
    statx.stx_uid = stat.st_uid;
    statx.stx_gid = stat.st_gid;
    statx.stx_mode = stat.st_mode as u16;
    statx.stx_ino = stat.st_ino.into();
    statx.stx_size = stat.st_size as u64;
    statx.stx_blocks = stat.st_blocks as u64;
    statx.stx_dev_major = rustix::fs::major(stat.st_dev);
    statx.stx_dev_minor = rustix::fs::minor(stat.st_dev);
    statx.stx_mtime.tv_sec = stat.st_mtime as i64;
    statx.stx_mtime.tv_nsec = stat.st_mtime_nsec as u32;
    statx.stx_ctime.tv_sec = stat.st_ctime as i64;
    statx.stx_ctime.tv_nsec = stat.st_ctime_nsec as u32;
    statx
}

/// Checks what the effective user may do with a file: faccessat2(2), since Linux 5.8. Without it, the
/// real user is asked about, who is the same for tmpx.
pub(crate) fn may_access(dir: impl AsFd, path: impl Arg + Copy, access: Access) -> Result<()> {
    match accessat(&dir, path, access, AtFlags::EACCESS) {
        Err(err) if is_unknown_call(err) => accessat(dir, path, access, AtFlags::empty()),
        result => result,
    }
}

/// Fills a buffer with random bytes: getrandom(2), since Linux 3.17, or else from /dev/urandom.
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<()> {
    let mut device: Option<OwnedFd> = None;
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        let count = match &device {
            None => getrandom(rest, GetRandomFlags::empty()),
            Some(device) => read(device, rest),
        };
        match count {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(err) if device.is_none() && is_unknown_call(err) => {
                device = Some(open_random().map_err(|_| err)?);
            }
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

/// Opens the kernel's generator, and nothing that stands in its place.
fn open_random() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let device = openat(CWD, c"/dev/urandom", flags, Mode::empty())?;
    let is_generator = rustix::fs::fstat(&device)?.st_rdev == makedev(1, 9);
    if is_generator { Ok(device) } else { Err(Errno::NODEV) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stat_reports_is_what_statx_reports() {
        let dir = std::fs::File::open("/").unwrap();
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let known = rustix::fs::statx(&dir, c"tmp", flags, StatxFlags::BASIC_STATS).unwrap();
        let found = to_statx(&statat(&dir, c"tmp", flags).unwrap());
        let fields = |stat: &Statx| {
            let device = (stat.stx_dev_major, stat.stx_dev_minor);
            let size = (stat.stx_size, stat.stx_blocks, stat.stx_nlink);
            (stat.stx_mode, stat.stx_uid, stat.stx_gid, stat.stx_ino, device, size)
        };
        assert_eq!(fields(&found), fields(&known));
        let changed = |stat: &Statx| (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec);
        assert_eq!(changed(&found), changed(&known));
        assert_eq!(found.stx_mask & StatxFlags::BTIME.bits(), 0);
    }

    #[test]
    fn the_device_gives_random_bytes() {
        let mut bytes = [0; 64];
        assert_eq!(read(open_random().unwrap(), &mut bytes), Ok(64));
        assert_ne!(bytes, [0; 64]);
    }
}
