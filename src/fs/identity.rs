//! The identity of a file, independent of its name.
//!
//! A filesystem reuses an inode number as soon as it is free. On ext4 the next file can even have
//! the same birth time. A file handle is never reused, because it carries a generation. So the
//! identity of a resource is its file handle and the id of its filesystem. If a filesystem has no
//! handles, the identity is device, inode and birth time, which is valid within one boot only.

use std::ffi::CStr;
use std::fmt::{self, Write as _};
use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

use rustix::fs::{AtFlags, StatxFlags, statx};
use serde::{Deserialize, Serialize};

use crate::sys::{Handle, handle_at};

/// The identity of a file or directory. A lease records its text form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Identity {
    /// `h.FSID.KIND.DATA`, in hexadecimal.
    Handle {
        /// The id of the filesystem (statfs(2)).
        fsid: u64,
        /// The handle of the file on that filesystem.
        handle: Handle,
    },
    /// `i.DEV.INO.BIRTH`, in hexadecimal.
    Inode {
        /// The device number.
        dev: u64,
        /// The inode number.
        ino: u64,
        /// The birth time in nanoseconds since the epoch, or 0 if the filesystem does not store it.
        birth: u64,
    },
}

/// The error for text that is not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIdentity;

impl fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the identity of a file")
    }
}

impl Identity {
    /// Returns the identity of `name` in `dir`, or of `dir` itself if `name` is empty, on the
    /// filesystem `fsid`. Does not follow a symlink.
    pub fn of(dir: impl AsFd, name: &CStr, fsid: u64) -> io::Result<Self> {
        match handle_at(&dir, name) {
            Ok(handle) => Ok(Self::Handle { fsid, handle }),
            Err(err) if lacks_handles(&err) => Self::inode(dir, name),
            Err(err) => Err(err),
        }
    }

    fn inode(dir: impl AsFd, name: &CStr) -> io::Result<Self> {
        let mut flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        flags.set(AtFlags::EMPTY_PATH, name.is_empty());
        let stat = statx(dir, name, flags, StatxFlags::INO | StatxFlags::BTIME)?;
        let birth = stat.stx_btime;
        Ok(Self::Inode {
            dev: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
            ino: stat.stx_ino,
            birth: u64::try_from(birth.tv_sec)
                .unwrap_or(0)
                .saturating_mul(1_000_000_000)
                .saturating_add(u64::from(birth.tv_nsec)),
        })
    }

    /// Whether `name` in `dir`, or `dir` itself if `name` is empty, has this identity.
    pub fn is(&self, dir: impl AsFd, name: &CStr, fsid: u64, same_boot: bool) -> io::Result<bool> {
        match self {
            Self::Handle { .. } => Ok(*self == Self::of(dir, name, fsid)?),
            Self::Inode { .. } => Ok(*self == Self::inode(dir, name)? && same_boot),
        }
    }
}

/// Whether the filesystem has no handles, the kernel lacks the call, or a sandbox forbids it.
fn lacks_handles(err: &io::Error) -> bool {
    matches!(
        err.raw_os_error(),
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM | libc::EOVERFLOW)
    )
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        match identity {
            Identity::Handle { fsid, handle } => {
                let mut text = Self::with_capacity(48);
                // Writing to a String cannot fail.
                let _ = write!(text, "h.{fsid:x}.{:x}.", handle.kind);
                for byte in handle.data {
                    for digit in [byte >> 4, byte & 0xf] {
                        text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                    }
                }
                text
            }
            Identity::Inode { dev, ino, birth } => format!("i.{dev:x}.{ino:x}.{birth:x}"),
        }
    }
}

impl TryFrom<String> for Identity {
    type Error = BadIdentity;

    fn try_from(text: String) -> Result<Self, BadIdentity> {
        text.parse()
    }
}

impl FromStr for Identity {
    type Err = BadIdentity;

    fn from_str(text: &str) -> Result<Self, BadIdentity> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(BadIdentity);
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| BadIdentity);
        let identity = match next()? {
            "h" => Self::Handle {
                fsid: number(next()?)?,
                handle: Handle {
                    // The text contains the two's complement of the kernel's signed number.
                    kind: u32::from_str_radix(next()?, 16).map_err(|_| BadIdentity)?.cast_signed(),
                    data: parse_hex(next()?)?,
                },
            },
            "i" => Self::Inode {
                dev: number(next()?)?,
                ino: number(next()?)?,
                birth: number(next()?)?,
            },
            _ => return Err(BadIdentity),
        };
        match parts.next() {
            None => Ok(identity),
            Some(_) => Err(BadIdentity),
        }
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, BadIdentity> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.ok_or(BadIdentity)?;
    if !digits.len().is_multiple_of(2) {
        return Err(BadIdentity);
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_identity_survives_its_text_form(
            fsid in any::<u64>(), kind in any::<i32>(), data in proptest::collection::vec(any::<u8>(), 0..128),
            ino in any::<u64>(), birth in any::<u64>(),
        ) {
            let handle = Identity::Handle { fsid, handle: Handle { kind, data } };
            let inode = Identity::Inode { dev: fsid, ino, birth };
            for identity in [handle, inode] {
                prop_assert_eq!(String::from(identity.clone()).parse(), Ok(identity));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[hi.0-9a-fé]{0,24}") {
            let _ = text.parse::<Identity>();
        }
    }

    #[test]
    fn a_file_created_again_under_the_same_name_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let parent = std::fs::File::open(dir.path()).unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "1").unwrap();
        let first = Identity::of(&parent, c"a", 7).unwrap();
        assert!(first.is(&parent, c"a", 7, true).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "1").unwrap();
        assert!(!first.is(&parent, c"a", 7, true).unwrap());
    }
}
