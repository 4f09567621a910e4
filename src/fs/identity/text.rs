//! The text forms that identities have in leases, and the part that entries and directories share.

use std::fmt;

use crate::fs::filesystem_type::Class;
use crate::fs::identity::filesystem::Filesystem;
use crate::sys::Handle;
use crate::values::hex;

/// The answer of a comparison with a recorded identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is the recorded one.
    Same,
    /// It is another one.
    Other,
    /// Nothing shows which of the two.
    Unproven,
}

impl Proof {
    pub(super) fn of(is_same: bool) -> Self {
        if is_same { Self::Same } else { Self::Other }
    }
}

/// The error for text that is not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIdentity;

impl fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the identity of a file")
    }
}

/// An identity that outlives the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    /// `L.FSID.KIND.HEX`, and `T.…` on tmpfs, `O.…` on overlayfs: the id of the filesystem and the
    /// handle.
    Handle { class: Class, fsid: u64, handle: Handle },
    /// `D.KIND.HEX.BIRTH`: the handle and the birth time, in nanoseconds since the epoch.
    Dated { handle: Handle, birth: u64 },
}

impl Durable {
    /// Returns the identity that consists of a handle on a filesystem and a birth time. Returns `None`
    /// if it would prove nothing.
    pub(super) fn new(filesystem: Filesystem, handle: Handle, birth: Option<u64>) -> Option<Self> {
        match (filesystem.class(), birth) {
            (class @ (Class::Lasting | Class::Tmpfs | Class::Overlay), _) => {
                Some(Self::Handle { class, fsid: filesystem.fsid, handle })
            }
            (Class::Dated, Some(birth)) => Some(Self::Dated { handle, birth }),
            (Class::Dated, None) | (Class::Ramfs | Class::Weak, _) => None,
        }
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Handle { class, .. } => *class,
            Self::Dated { .. } => Class::Dated,
        }
    }

    /// Compares it with what was found on a filesystem; `None` if nothing could be found out there.
    pub(super) fn proof(&self, filesystem: Filesystem, found: Option<&Self>) -> Proof {
        match (self, found) {
            _ if filesystem.class() != self.class() => Proof::Other,
            (_, None) => Proof::Unproven,
            // Two overlays may have the id of their common upper filesystem, and lose it.
            (
                Self::Handle { class: Class::Overlay, fsid, handle },
                Some(Self::Handle { fsid: other, handle: found, .. }),
            ) if fsid != other && handle == found => Proof::Unproven,
            (_, Some(found)) => Proof::of(self == found),
        }
    }

    /// Whether the filesystem is the recorded one, or of its type if its id was not recorded.
    pub(super) fn may_be_on(&self, filesystem: Filesystem) -> bool {
        let has_fsid = match self {
            Self::Handle { fsid, .. } => *fsid == filesystem.fsid,
            Self::Dated { .. } => true,
        };
        has_fsid && self.class() == filesystem.class()
    }

    /// Returns the handle, if the kernel can open it.
    pub(super) fn handle(&self) -> Option<&Handle> {
        match self {
            Self::Handle { class: Class::Overlay, .. } => None,
            Self::Handle { handle, .. } | Self::Dated { handle, .. } => Some(handle),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, BadIdentity> {
        let mut parts = Parts::of(text);
        let class = match parts.next()? {
            "L" => Class::Lasting,
            "T" => Class::Tmpfs,
            "O" => Class::Overlay,
            "D" => {
                let (handle, birth) = (parts.handle()?, parts.number()?);
                return parts.end(Self::Dated { handle, birth });
            }
            _ => return Err(BadIdentity),
        };
        let (fsid, handle) = (parts.number()?, parts.handle()?);
        parts.end(Self::Handle { class, fsid, handle })
    }
}

impl Durable {
    /// Returns the text form.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(64);
        match self {
            Self::Handle { class, fsid, handle } => {
                text.push_str(match class {
                    Class::Tmpfs => "T.",
                    Class::Overlay => "O.",
                    _ => "L.",
                });
                hex::push_number(&mut text, *fsid);
                push_handle(&mut text, handle);
            }
            Self::Dated { handle, birth } => {
                text.push('D');
                push_handle(&mut text, handle);
                text.push('.');
                hex::push_number(&mut text, *birth);
            }
        }
        text
    }
}

/// Appends `.KIND.HEX`.
pub(super) fn push_handle(text: &mut String, handle: &Handle) {
    text.push('.');
    // The two's complement of the kernel's signed number.
    hex::push_number(text, handle.kind.cast_unsigned().into());
    text.push('.');
    hex::push_bytes(text, &handle.data);
}

/// The parts of a text form, between dots.
pub(super) struct Parts<'a>(std::str::Split<'a, char>);

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(text.split('.'))
    }

    pub(super) fn next(&mut self) -> Result<&'a str, BadIdentity> {
        self.0.next().ok_or(BadIdentity)
    }

    pub(super) fn number(&mut self) -> Result<u64, BadIdentity> {
        let text = self.next()?;
        if text.starts_with('+') {
            return Err(BadIdentity);
        }
        u64::from_str_radix(text, 16).map_err(|_| BadIdentity)
    }

    pub(super) fn handle(&mut self) -> Result<Handle, BadIdentity> {
        let kind = u32::try_from(self.number()?).map_err(|_| BadIdentity)?;
        let data = parse_hex(self.next()?)?;
        // The text contains the two's complement of the kernel's signed number.
        Ok(Handle { kind: kind.cast_signed(), data })
    }

    /// Returns the value if no part is left.
    pub(super) fn end<T>(mut self, value: T) -> Result<T, BadIdentity> {
        if self.0.next().is_none() { Ok(value) } else { Err(BadIdentity) }
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, BadIdentity> {
    let (pairs, rest) = text.as_bytes().as_chunks();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(BadIdentity);
    }
    pairs.iter().map(|&pair| hex::byte_of(pair)).collect::<Option<_>>().ok_or(BadIdentity)
}
