//! The identity of a resource.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use serde::{Deserialize, Serialize, Serializer};

use crate::fs::filesystem_type::Class;
use crate::fs::identity::filesystem::Filesystem;
use crate::fs::identity::mark;
use crate::fs::identity::text::{BadIdentity, Durable, Parts, Proof, push_handle};
use crate::sys::{Handle, handle_at};

/// The identity of a file, directory or symlink. A lease records its text form.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EntryId(EntryForm);

#[derive(Clone, Debug, PartialEq, Eq)]
enum EntryForm {
    Durable(Durable),
    /// `R.INO`: the inode number, within the boot.
    Ramfs {
        ino: u64,
    },
    /// `W.m`: the entry has the mark of its lease.
    Marked,
    /// `W.-`: nothing identifies the entry.
    Unknown,
    /// `h.FSID.KIND.HEX`, from leases of format 1.
    OldHandle {
        fsid: u64,
        handle: Handle,
    },
    /// `i.DEV.INO.BIRTH`, from leases of format 1. It proves nothing: inode numbers are used again.
    OldInode {
        dev: u64,
        ino: u64,
        birth: u64,
    },
}

/// An entry to identify.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryAt<'a> {
    /// Its directory, or the entry itself if `name` is empty.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) name: &'a CStr,
    pub(crate) filesystem: Filesystem,
}

/// What a comparison has to know of the lease that recorded an identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Witness<'a> {
    /// Its id, which is the mark.
    pub(crate) lease: &'a str,
    /// Whether it was written in this boot, as far as that is known.
    pub(crate) same_boot: Option<bool>,
}

impl EntryId {
    /// Identifies an entry without a mark. Follows no symlink.
    pub(crate) fn of(entry: EntryAt<'_>) -> Self {
        let ino = || stat(entry, StatxFlags::INO).map(|stat| stat.stx_ino);
        Self(match durable(entry) {
            Some(durable) => EntryForm::Durable(durable),
            None if entry.filesystem.class() == Class::Ramfs => {
                ino().map_or(EntryForm::Unknown, |ino| EntryForm::Ramfs { ino })
            }
            None => EntryForm::Unknown,
        })
    }

    /// Marks an open file or directory with the id of its lease if nothing else identifies it. Returns
    /// the identity that it then has.
    pub(crate) fn or_mark(self, file: impl AsFd, lease: Option<&str>) -> Self {
        let is_marked = self.is_unknown() && lease.is_some_and(|lease| mark::set(file, lease));
        if is_marked { Self(EntryForm::Marked) } else { self }
    }

    /// Whether nothing identifies the entry, so that only a mark could.
    pub(crate) fn is_unknown(&self) -> bool {
        self.0 == EntryForm::Unknown
    }

    /// Whether it rests on a mark.
    pub(crate) fn is_marked(&self) -> bool {
        self.0 == EntryForm::Marked
    }

    /// Returns the id of the filesystem in a lease of format 1.
    pub(crate) fn old_fsid(&self) -> Option<u64> {
        match self.0 {
            EntryForm::OldHandle { fsid, .. } => Some(fsid),
            _ => None,
        }
    }

    /// Whether an entry, a regular file or a directory if it may have a mark, is the recorded one.
    pub(crate) fn proof(&self, entry: EntryAt<'_>, witness: Witness<'_>) -> Proof {
        let filesystem = entry.filesystem;
        match &self.0 {
            EntryForm::Durable(durable) => durable.proof(filesystem, self::durable(entry).as_ref()),
            EntryForm::Ramfs { .. } if filesystem.class() != Class::Ramfs => Proof::Other,
            EntryForm::Ramfs { ino } => match (witness.same_boot, stat(entry, StatxFlags::INO)) {
                (Some(true), Some(stat)) => Proof::of(stat.stx_ino == *ino),
                (Some(false), _) => Proof::Other,
                _ => Proof::Unproven,
            },
            EntryForm::Marked => mark::proof(entry.dir, entry.name, witness.lease),
            EntryForm::OldHandle { fsid, handle } => {
                let same_boot = witness.same_boot == Some(true);
                let is_lasting = match filesystem.class() {
                    Class::Lasting | Class::Tmpfs => *fsid == filesystem.fsid && *fsid != 0,
                    Class::Dated => *fsid == filesystem.fsid && same_boot,
                    Class::Overlay | Class::Ramfs | Class::Weak => false,
                };
                match handle_at(entry.dir, entry.name) {
                    Ok(found) if is_lasting => Proof::of(found == *handle),
                    _ => Proof::Unproven,
                }
            }
            EntryForm::Unknown | EntryForm::OldInode { .. } => Proof::Unproven,
        }
    }
}

fn durable(entry: EntryAt<'_>) -> Option<Durable> {
    let handle = entry.filesystem.handle(entry.dir, entry.name)?;
    let birth = match entry.filesystem.class() {
        Class::Dated => stat(entry, StatxFlags::BTIME).as_ref().and_then(birth),
        _ => None,
    };
    Durable::new(entry.filesystem, handle, birth)
}

fn stat(entry: EntryAt<'_>, mask: StatxFlags) -> Option<Statx> {
    let mut flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    flags.set(AtFlags::EMPTY_PATH, entry.name.is_empty());
    statx(entry.dir.as_fd(), entry.name, flags, mask).ok()
}

/// Returns the birth time in nanoseconds since the epoch, if the filesystem records it.
pub(super) fn birth(stat: &Statx) -> Option<u64> {
    if stat.stx_mask & StatxFlags::BTIME.bits() == 0 {
        return None;
    }
    let seconds = u64::try_from(stat.stx_btime.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::from(stat.stx_btime.tv_nsec))
}

impl EntryId {
    /// Returns the text form.
    fn text(&self) -> String {
        match &self.0 {
            EntryForm::Durable(durable) => durable.text(),
            EntryForm::Ramfs { ino } => format!("R.{ino:x}"),
            EntryForm::Marked => "W.m".to_owned(),
            EntryForm::Unknown => "W.-".to_owned(),
            EntryForm::OldHandle { fsid, handle } => {
                let mut text = format!("h.{fsid:x}");
                push_handle(&mut text, handle);
                text
            }
            EntryForm::OldInode { dev, ino, birth } => format!("i.{dev:x}.{ino:x}.{birth:x}"),
        }
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl FromStr for EntryId {
    type Err = BadIdentity;

    fn from_str(text: &str) -> Result<Self, BadIdentity> {
        match text {
            "W.m" => return Ok(Self(EntryForm::Marked)),
            "W.-" => return Ok(Self(EntryForm::Unknown)),
            _ => {}
        }
        let mut parts = Parts::of(text);
        match parts.next()? {
            "R" => {
                let ino = parts.number()?;
                parts.end(Self(EntryForm::Ramfs { ino }))
            }
            "h" => {
                let (fsid, handle) = (parts.number()?, parts.handle()?);
                parts.end(Self(EntryForm::OldHandle { fsid, handle }))
            }
            "i" => {
                let (dev, ino, birth) = (parts.number()?, parts.number()?, parts.number()?);
                parts.end(Self(EntryForm::OldInode { dev, ino, birth }))
            }
            _ => Ok(Self(EntryForm::Durable(Durable::parse(text)?))),
        }
    }
}

impl TryFrom<String> for EntryId {
    type Error = BadIdentity;

    fn try_from(text: String) -> Result<Self, BadIdentity> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::File;

    const MARKED: EntryId = EntryId(EntryForm::Marked);
    const SAME_BOOT: Witness<'_> = Witness { lease: "one", same_boot: Some(true) };

    fn at<'a>(dir: &'a File, name: &'a CStr, filesystem: Filesystem) -> EntryAt<'a> {
        EntryAt { dir: dir.as_fd(), name, filesystem }
    }

    fn any_form() -> impl Strategy<Value = EntryForm> {
        let data = proptest::collection::vec(any::<u8>(), 1..128);
        (any::<u64>(), any::<i32>(), data, any::<u64>(), any::<u64>(), 0..8).prop_map(
            |(fsid, kind, data, ino, birth, form)| {
                let handle = Handle { kind, data };
                match form {
                    0 => EntryForm::Ramfs { ino },
                    1 => EntryForm::Marked,
                    2 => EntryForm::Unknown,
                    3 => EntryForm::OldHandle { fsid, handle },
                    4 => EntryForm::OldInode { dev: fsid, ino, birth },
                    5 => EntryForm::Durable(Durable::Dated { handle, birth }),
                    _ => {
                        let class = if form == 6 { Class::Overlay } else { Class::Lasting };
                        EntryForm::Durable(Durable::Handle { class, fsid, handle })
                    }
                }
            },
        )
    }

    proptest! {
        #[test]
        fn an_identity_survives_its_text_form(form in any_form()) {
            let id = EntryId(form);
            prop_assert_eq!(id.text().parse(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[LTDORWhi.0-9a-f+é-]{0,24}") {
            let _ = text.parse::<EntryId>();
        }
    }

    #[test]
    fn a_file_created_again_under_the_same_name_is_another_file() {
        let temp = tempfile::tempdir().unwrap();
        let dir = File::open(temp.path()).unwrap();
        let entry = at(&dir, c"a", Filesystem::of(&dir).unwrap());
        let path = temp.path().join("a");
        std::fs::write(&path, "1").unwrap();
        let first = EntryId::of(entry);
        assert_eq!(first.proof(entry, SAME_BOOT), Proof::Same);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "1").unwrap();
        assert_ne!(first.proof(entry, SAME_BOOT), Proof::Same);
    }

    #[test]
    fn a_mark_proves_its_own_lease_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let dir = File::open(temp.path()).unwrap();
        let weak = Filesystem::for_test(Class::Weak, 0);
        let entry = at(&dir, c"a", weak);
        let file = File::create(temp.path().join("a")).unwrap();
        assert!(EntryId::of(entry).is_unknown());
        assert_eq!(MARKED.proof(entry, SAME_BOOT), Proof::Other);
        if !mark::set(&file, "one") {
            return;
        }
        assert_eq!(MARKED.proof(entry, SAME_BOOT), Proof::Same);
        let another = Witness { lease: "two", ..SAME_BOOT };
        assert_eq!(MARKED.proof(entry, another), Proof::Other);
        assert_eq!(EntryId(EntryForm::Unknown).proof(entry, SAME_BOOT), Proof::Unproven);
    }

    #[test]
    fn an_identity_of_one_class_is_never_that_of_another() {
        let temp = tempfile::tempdir().unwrap();
        let dir = File::open(temp.path()).unwrap();
        let own = Filesystem::of(&dir).unwrap();
        std::fs::write(temp.path().join("a"), "1").unwrap();
        let first = EntryId::of(at(&dir, c"a", own));
        let classes =
            [Class::Lasting, Class::Tmpfs, Class::Dated, Class::Overlay, Class::Ramfs, Class::Weak];
        for class in classes {
            let other = Filesystem::for_test(class, own.fsid);
            let proof = first.proof(at(&dir, c"a", other), SAME_BOOT);
            assert_eq!(proof == Proof::Same, class == own.class(), "{class:?}");
        }
    }

    #[test]
    fn the_inode_of_ramfs_counts_within_its_boot() {
        let temp = tempfile::tempdir().unwrap();
        let dir = File::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("a"), "1").unwrap();
        let entry = at(&dir, c"a", Filesystem::for_test(Class::Ramfs, 0));
        let proof = |same_boot| EntryId::of(entry).proof(entry, Witness { same_boot, ..SAME_BOOT });
        assert_eq!(proof(Some(true)), Proof::Same);
        assert_eq!(proof(Some(false)), Proof::Other);
        assert_eq!(proof(None), Proof::Unproven);
    }

    #[test]
    fn an_old_handle_proves_only_on_filesystems_where_handles_last() {
        let temp = tempfile::tempdir().unwrap();
        let dir = File::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("a"), "1").unwrap();
        let Ok(handle) = handle_at(&dir, c"a") else { return };
        let proof = |class, fsid, same_boot| {
            let old = EntryId(EntryForm::OldHandle { fsid: 7, handle: handle.clone() });
            let entry = at(&dir, c"a", Filesystem::for_test(class, fsid));
            old.proof(entry, Witness { same_boot: Some(same_boot), ..SAME_BOOT })
        };
        assert_eq!(proof(Class::Lasting, 7, false), Proof::Same);
        assert_eq!(proof(Class::Lasting, 8, true), Proof::Unproven);
        assert_eq!(proof(Class::Dated, 7, true), Proof::Same);
        assert_eq!(proof(Class::Dated, 7, false), Proof::Unproven);
        assert_eq!(proof(Class::Weak, 7, true), Proof::Unproven);
        assert_eq!(proof(Class::Overlay, 7, true), Proof::Unproven);
    }
}
