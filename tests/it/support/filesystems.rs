//! Filesystems for [`mounting`](crate::support::namespaces::mounting): each makes `mount_it` mount one at `m`.

/// Makes `mount_it` mount the directory `src` at `m`, whose files have other numbers each time.
pub(crate) const BINDFS: &str = "mkdir src m; mount_it() { bindfs src m; }";

/// The same without marks, so that nothing can be proven.
pub(crate) const BINDFS_WITHOUT_MARKS: &str =
    "mkdir src m; mount_it() { bindfs --xattr-none src m; }";

/// The same with encryption.
pub(crate) const GOCRYPTFS: &str = "mkdir src m; gocryptfs -q -init -extpass echo -extpass x src >/dev/null 2>&1; \
    mount_it() { gocryptfs -q -extpass echo -extpass x src m >/dev/null 2>&1; }";

/// A layer on the filesystem of the test. It has another device number each time: other filesystems take
/// the numbers that it had.
pub(crate) const OVERLAY: &str = "mkdir lower lower/private up work m; chmod 755 lower/private; number=; \
    mount_it() { until layer && [ \"$(stat -c %d m)\" != \"$number\" ]; do \
                     mountpoint -q m && umount m && mount -t tmpfs none \"$(mktemp -d -p .)\" || return; \
                 done; number=$(stat -c %d m); }; \
    layer() { mount -t overlay o -o lowerdir=lower,upperdir=up,workdir=work m; }";

/// The same without privileges: FUSE gives other numbers each time.
pub(crate) const FUSE_OVERLAYFS: &str = "mkdir lower lower/private up work m; chmod 755 lower/private; \
    mount_it() { fuse-overlayfs -o lowerdir=lower,upperdir=up,workdir=work m 2>/dev/null; }";

/// A disk of its own, which has another device number each time.
pub(crate) const XFS: &str = "mkdir m; truncate -s 320M image; mkfs.xfs -q image; n=0; \
    mount_it() { n=$((n+1)); truncate -s 1M other$n; l=$(losetup --show -f other$n) || return; \
                 mount -o loop image m; losetup -d $l; }";

/// The filesystem that most systems have.
pub(crate) const EXT4: &str = "mkdir m; truncate -s 64M image; mkfs.ext4 -q image >/dev/null; \
                    mount_it() { mount -o loop image m; }";

/// A filesystem in memory, which nothing outlives.
pub(crate) const TMPFS: &str = "mkdir m; mount_it() { mount -t tmpfs none m; }";

/// An old filesystem that has no birth times.
pub(crate) const EXT2: &str = "mkdir m; truncate -s 32M image; mkfs.ext2 -q -I 128 image >/dev/null; \
                    mount_it() { mount -o loop image m; }";

/// A disk with a filesystem that gives inode numbers and handles anew in each subvolume.
pub(crate) const BTRFS: &str = "mkdir m; truncate -s 128M image; mkfs.btrfs -q image >/dev/null; \
                     mount_it() { mount -o loop image m; }";

/// Directories that FUSE shows as one.
pub(crate) const MERGERFS: &str = "mkdir src m; mount_it() { mergerfs src m; }";

/// The same without marks.
pub(crate) const UNIONFS: &str = "mkdir src m; mount_it() { unionfs src=RW m; }";

/// A disk from another system, with one mode for all files and directories.
pub(crate) const NTFS: &str = "mkdir m; truncate -s 16M image; mkfs.ntfs -q -F -f image >/dev/null 2>&1; \
                    mount_it() { ntfs-3g -o umask=077 image m; }";

/// The line about an entry that is another one.
pub(crate) fn replaced(path: &str) -> String {
    format!(
        "tmpx: kept $ROOT/cwd/m/{path}: no longer the file tmpx created (rewritten by sed -i or mv?); \
         remove it with rm\n"
    )
}

/// Filesystems on which identities differ, and the tools that create them.
pub(crate) const EVERYWHERE: [(&str, &[&str]); 9] = [
    (BINDFS, &["bindfs"]),
    (FUSE_OVERLAYFS, &["fuse-overlayfs"]),
    (BTRFS, &["mkfs.btrfs"]),
    (MERGERFS, &["mergerfs"]),
    (NTFS, &["mkfs.ntfs", "ntfs-3g"]),
    (GOCRYPTFS, &["gocryptfs"]),
    (OVERLAY, &[]),
    (XFS, &["mkfs.xfs", "losetup"]),
    (EXT2, &["mkfs.ext2"]),
];

/// A disk for cameras and other systems, with one mode for all. It has no links, and no rename refuses to
/// replace.
pub(crate) const EXFAT: &str = "mkdir m; truncate -s 16M image; mkfs.exfat image >/dev/null; \
    mount_it() { l=$(losetup --show -f image) || return; \
                 mount.exfat-fuse -o umask=077 $l m >/dev/null 2>&1; losetup -d $l; mountpoint -q m; }";

pub(crate) const EXFAT_TOOLS: &[&str] = &["mkfs.exfat", "mount.exfat-fuse", "losetup"];

/// Filesystems on which nothing can be proven, and the tools that mount them.
pub(crate) const UNPROVABLE: [(&str, &[&str]); 3] =
    [(SSHFS, &["sshfs"]), (UNIONFS, &["unionfs"]), (EXFAT, EXFAT_TOOLS)];

/// Makes `mount_it` mount the directory `src` at `m`, as one of another machine, which stores no marks.
pub(crate) const SSHFS: &str = "mkdir src m; printf '#!/bin/sh\\nexec /usr/lib/openssh/sftp-server\\n' >ssh; \
                     chmod +x ssh; mount_it() { sshfs -o ssh_command=$PWD/ssh x:$PWD/src m; }";
