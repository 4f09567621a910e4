//! The identity of the directory that holds resources.

use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

use rustix::fs::{AtFlags, Statx, StatxFlags, fstat, statx};
use serde::{Deserialize, Serialize, Serializer};

use crate::fs::filesystem_type::Class;
use crate::fs::identity::entry_id::birth;
use crate::fs::identity::filesystem::Filesystem;
use crate::fs::identity::text::{BadIdentity, Durable, Parts, Proof};
use crate::os::mount_id_of_fd;
use crate::sys::{self, Handle};

/// Reports the id of the mount that is never used again (Linux 6.8). rustix does not name it yet.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// The identity of a directory. A lease records its text form.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DirId(DirForm);

#[derive(Clone, Debug, PartialEq, Eq)]
enum DirForm {
    Durable(Durable),
    /// `R.MOUNT.INO` on ramfs: mount and inode number, within the boot.
    Ramfs {
        mount: u64,
        ino: u64,
    },
    /// `W.MOUNT.INO`: the same, where an inode number may be used again.
    Weak {
        mount: u64,
        ino: u64,
    },
}

/// What identifies an open directory, and who may change its entries.
#[derive(Clone, Debug)]
pub(crate) struct DirFacts {
    pub(crate) filesystem: Filesystem,
    pub(crate) id: DirId,
    /// The id of its mount within this boot. It is never used again since Linux 6.8.
    pub(crate) mount: u64,
    /// The user ID of its owner.
    pub(crate) owner: u32,
    /// Its permission bits.
    pub(crate) mode: u32,
}

impl DirFacts {
    /// Examines an open directory.
    pub(crate) fn of(dir: impl AsFd) -> io::Result<Self> {
        let mask = StatxFlags::UID | StatxFlags::MODE | StatxFlags::INO | StatxFlags::BTIME;
        let mask = mask | StatxFlags::MNT_ID | MNT_ID_UNIQUE;
        let filesystem = Filesystem::of(&dir)?;
        let (owner, mode, mount, ino, birth) =
            if let Ok(stat) = statx(&dir, c"", AtFlags::EMPTY_PATH, mask) {
                (stat.stx_uid, stat.stx_mode.into(), mount(&stat), stat.stx_ino, birth(&stat))
            } else {
                // Some sandboxes do not know statx.
                let stat = fstat(&dir)?;
                (stat.st_uid, stat.st_mode, None, stat.st_ino, None)
            };
        let mount = match mount {
            Some(mount) => mount,
            None => mount_of(&dir)?,
        };
        let handle = filesystem.handle(&dir, c"");
        let durable = handle.and_then(|handle| Durable::new(filesystem, handle, birth));
        let id = DirId(match durable {
            Some(durable) => DirForm::Durable(durable),
            None if filesystem.class() == Class::Ramfs => DirForm::Ramfs { mount, ino },
            None => DirForm::Weak { mount, ino },
        });
        Ok(Self { filesystem, id, mount, owner, mode: mode & 0o7777 })
    }

    /// Whether this directory is the recorded one. `same_boot` and `shares_root` compare this process
    /// with the one that recorded it, as far as that is known.
    pub(crate) fn proof(
        &self,
        recorded: &DirId,
        same_boot: Option<bool>,
        shares_root: Option<bool>,
    ) -> Proof {
        match (&recorded.0, &self.id.0) {
            (DirForm::Durable(durable), found) => {
                let found = match found {
                    DirForm::Durable(found) => Some(found),
                    DirForm::Ramfs { .. } | DirForm::Weak { .. } => None,
                };
                let proof = durable.proof(self.filesystem, found);
                // A directory of a lower layer has one handle in all containers of an image.
                let may_be_shared = durable.class() == Class::Overlay
                    && same_boot != Some(false)
                    && shares_root != Some(true);
                if proof == Proof::Same && may_be_shared { Proof::Unproven } else { proof }
            }
            (DirForm::Ramfs { .. }, found) => match same_boot {
                Some(true) => Proof::of(recorded.0 == *found),
                Some(false) => Proof::Other,
                None => Proof::Unproven,
            },
            (DirForm::Weak { .. }, found) if same_boot == Some(true) && recorded.0 == *found => {
                Proof::Same
            }
            // The inode number of a directory may change as soon as the kernel forgets it.
            (DirForm::Weak { .. }, _) => Proof::Unproven,
        }
    }

    /// Whether this directory is on the filesystem of another one, or on one of the same type if no
    /// more is known of it.
    pub(crate) fn may_share_filesystem(&self, with: &DirId) -> bool {
        match &with.0 {
            DirForm::Durable(durable) => durable.may_be_on(self.filesystem),
            DirForm::Ramfs { .. } | DirForm::Weak { .. } => false,
        }
    }
}

impl DirId {
    /// Returns the class of the filesystem, or [`Class::Weak`] if it gave nothing better.
    pub(crate) fn class(&self) -> Class {
        match &self.0 {
            DirForm::Durable(durable) => durable.class(),
            DirForm::Ramfs { .. } => Class::Ramfs,
            DirForm::Weak { .. } => Class::Weak,
        }
    }

    /// Whether nothing that it identifies outlives a restart.
    pub(crate) fn ends_with_boot(&self) -> bool {
        matches!(self.class(), Class::Tmpfs | Class::Ramfs)
    }

    /// Whether it contains the id of its filesystem.
    pub(crate) fn has_fsid(&self) -> bool {
        matches!(&self.0, DirForm::Durable(Durable::Handle { fsid: 1.., .. }))
    }

    /// Returns the handle by which the kernel can find the directory again.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        match &self.0 {
            DirForm::Durable(durable) => durable.handle(),
            DirForm::Ramfs { .. } | DirForm::Weak { .. } => None,
        }
    }
}

fn mount(stat: &Statx) -> Option<u64> {
    if stat.stx_mask & MNT_ID_UNIQUE.bits() != 0 {
        return Some(stat.stx_mnt_id);
    }
    let device = u64::from(stat.stx_dev_major) << 20 | u64::from(stat.stx_dev_minor);
    (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(device << 32 | stat.stx_mnt_id)
}

/// Returns the id of a mount, and its device above it: ids of mounts are soon used again where the
/// kernel has no unique ones.
fn mount_of(dir: impl AsFd) -> io::Result<u64> {
    let device = fstat(&dir)?.st_dev & u64::from(u32::MAX);
    let id = sys::mount_id(&dir).ok().or_else(|| mount_id_of_fd(dir.as_fd()));
    let id = id.and_then(|id| u64::try_from(id).ok()).unwrap_or_default();
    Ok(device << 32 | id)
}

impl DirId {
    /// Returns the text form.
    fn text(&self) -> String {
        match &self.0 {
            DirForm::Durable(durable) => durable.text(),
            DirForm::Ramfs { mount, ino } => format!("R.{mount:x}.{ino:x}"),
            DirForm::Weak { mount, ino } => format!("W.{mount:x}.{ino:x}"),
        }
    }
}

impl Serialize for DirId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl FromStr for DirId {
    type Err = BadIdentity;

    fn from_str(text: &str) -> Result<Self, BadIdentity> {
        let mut parts = Parts::of(text);
        let class = parts.next()?;
        if !matches!(class, "R" | "W") {
            return Ok(Self(DirForm::Durable(Durable::parse(text)?)));
        }
        let (mount, ino) = (parts.number()?, parts.number()?);
        let form =
            if class == "R" { DirForm::Ramfs { mount, ino } } else { DirForm::Weak { mount, ino } };
        parts.end(Self(form))
    }
}

impl TryFrom<String> for DirId {
    type Error = BadIdentity;

    fn try_from(text: String) -> Result<Self, BadIdentity> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn facts(class: Class, id: &str) -> DirFacts {
        let filesystem = Filesystem::for_test(class, 7);
        DirFacts { filesystem, id: id.parse().unwrap(), mount: 1, owner: 0, mode: 0o755 }
    }

    fn proof(recorded: &str, found: &DirFacts, boot: Option<bool>, root: Option<bool>) -> Proof {
        found.proof(&recorded.parse().unwrap(), boot, root)
    }

    const ANY: [Option<bool>; 3] = [Some(true), Some(false), None];

    #[test]
    fn an_identity_survives_its_text_form() {
        let handle = Handle { kind: -1, data: vec![1, 0xff] };
        let durable =
            |class| DirForm::Durable(Durable::Handle { class, fsid: 7, handle: handle.clone() });
        let forms = [
            durable(Class::Lasting),
            durable(Class::Tmpfs),
            durable(Class::Overlay),
            DirForm::Durable(Durable::Dated { handle, birth: 3 }),
            DirForm::Ramfs { mount: 1, ino: 2 },
            DirForm::Weak { mount: 1, ino: 2 },
        ];
        for form in forms {
            let id = DirId(form);
            assert_eq!(id.text().parse(), Ok(id));
        }
        for text in
            ["", "L", "L.1.2", "L.1.2.3", "L.1.2.0a.4", "W.-", "W.m", "R.1", "X.1.2", "W.+1.2"]
        {
            assert_eq!(text.parse::<DirId>(), Err(BadIdentity), "{text}");
        }
    }

    #[test]
    fn an_open_directory_is_the_same_and_one_created_in_its_place_is_another() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("dir");
        let create = || {
            std::fs::create_dir(&path).unwrap();
            DirFacts::of(File::open(&path).unwrap()).unwrap()
        };
        let (first, again) = (create(), DirFacts::of(File::open(&path).unwrap()).unwrap());
        let proof = |found: &DirFacts| found.proof(&first.id, Some(true), Some(true));
        assert_eq!(proof(&again), Proof::Same);
        std::fs::remove_dir(&path).unwrap();
        assert_ne!(proof(&create()), Proof::Same);
    }

    #[test]
    fn a_handle_proves_in_any_boot_and_a_missing_one_proves_nothing() {
        for boot in ANY {
            let same = facts(Class::Lasting, "L.7.1.0a");
            assert_eq!(proof("L.7.1.0a", &same, boot, None), Proof::Same);
            assert_eq!(proof("L.7.1.0b", &same, boot, None), Proof::Other);
            assert_eq!(proof("L.8.1.0a", &same, boot, None), Proof::Other);
            // A sandbox may forbid handles.
            let blind = facts(Class::Lasting, "W.1.2");
            assert_eq!(proof("L.7.1.0a", &blind, boot, None), Proof::Unproven);
            assert_eq!(proof("L.7.1.0a", &facts(Class::Weak, "W.1.2"), boot, None), Proof::Other);
            let dated = facts(Class::Dated, "D.81.0a.5");
            assert_eq!(proof("D.81.0a.5", &dated, boot, None), Proof::Same);
            assert_eq!(proof("D.81.0a.6", &dated, boot, None), Proof::Other);
        }
    }

    #[test]
    fn a_directory_of_an_overlay_is_the_same_only_under_the_shares_root_or_after_a_restart() {
        let found = facts(Class::Overlay, "O.7.f8.0a");
        for (boot, root, expected) in [
            (Some(true), Some(true), Proof::Same),
            (Some(true), Some(false), Proof::Unproven),
            (Some(true), None, Proof::Unproven),
            (Some(false), None, Proof::Same),
            (None, Some(true), Proof::Same),
            (None, None, Proof::Unproven),
        ] {
            assert_eq!(proof("O.7.f8.0a", &found, boot, root), expected, "{boot:?} {root:?}");
            assert_eq!(proof("O.7.f8.0b", &found, boot, root), Proof::Other);
            assert_eq!(proof("O.8.f8.0a", &found, boot, root), Proof::Unproven);
        }
    }

    #[test]
    fn mount_and_inode_prove_within_the_boot_only() {
        let (weak, ramfs) = (facts(Class::Weak, "W.1.2"), facts(Class::Ramfs, "R.1.2"));
        assert_eq!(proof("W.1.2", &weak, Some(true), None), Proof::Same);
        assert_eq!(proof("W.1.2", &weak, Some(false), None), Proof::Unproven);
        assert_eq!(proof("W.1.2", &weak, None, None), Proof::Unproven);
        assert_eq!(proof("W.1.3", &weak, Some(true), None), Proof::Unproven);
        assert_eq!(proof("W.9.2", &weak, Some(true), None), Proof::Unproven);
        assert_eq!(proof("R.1.2", &ramfs, Some(true), None), Proof::Same);
        assert_eq!(proof("R.1.3", &ramfs, Some(true), None), Proof::Other);
        assert_eq!(proof("R.1.2", &ramfs, Some(false), None), Proof::Other);
        assert_eq!(proof("R.1.2", &ramfs, None, None), Proof::Unproven);
    }
}
