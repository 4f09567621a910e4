//! Entries in the directory of the leases that are no leases.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, makedev, mknodat};

use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Ran, Sandbox, is_root, words};

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn entries_that_are_no_leases_stop_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let real = sandbox.leases().remove(0);
    let entry = |letter: &str| sandbox.leases_dir().join(format!("019000000000-{letter:A<10}"));
    let sparse = fs::File::create(entry("B")).unwrap();
    set_mode(entry("B"), 0o600);
    sparse.set_len(15 << 40).or_else(|_| sparse.set_len(15 << 39)).unwrap();
    fs::create_dir(entry("C")).unwrap();
    symlink("/dev/zero", entry("D")).unwrap();
    fs::hard_link(sandbox.leases_dir().join(&real), entry("E")).unwrap();
    let mkfifo = Command::new("mkfifo").args(["-m", "600"]).arg(entry("F")).status().unwrap();
    assert!(mkfifo.success());
    let mut count = 5 + 2;
    let node = |letter, kind, device| mknodat(CWD, entry(letter), kind, 0o600.into(), device);
    node("H", FileType::Socket, 0).unwrap();
    if is_root() {
        node("G", FileType::CharacterDevice, makedev(1, 5)).unwrap();
        // A disk without a driver, and one with a driver that most machines have.
        node("I", FileType::BlockDevice, makedev(240, 1)).unwrap();
        node("J", FileType::BlockDevice, makedev(7, 0)).unwrap();
        count += 3;
    }
    let ended = sandbox.tmpx(words("file --ttl 1ms")).path();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let damaged = |ran: &Ran| ran.stderr.matches(": it is damaged\n").count();
    for (args, status) in [("list", 0), ("cleanup -n --all", 1), ("cleanup --all --force", 1)] {
        let ran = sandbox.tmpx(words(args)).run();
        // The link makes the real lease one with two names.
        assert_eq!((ran.status, damaged(&ran)), (Some(status), count), "{args}: {ran:?}");
    }
    assert!(!ended.exists());
    for _ in 0..3 {
        sandbox.tmpx(words("mktemp --dry-run")).succeeds();
        fs::remove_file(sandbox.tmpx(["file"]).path()).unwrap();
    }
    assert_eq!(sandbox.left().len(), 1, "damaged leases are kept, and so is what they cover");
    fs::remove_dir(entry("C")).unwrap();
    for letter in ["B", "D", "E", "F", "H", "G", "I", "J"].into_iter().take(count - 2) {
        fs::remove_file(entry(letter)).unwrap();
    }
    set_mode(sandbox.leases_dir().join(&real), 0o1600);
    sandbox.clean_up();
}

#[test]
fn what_may_not_be_opened_is_no_lease_either() {
    let sandbox = Sandbox::new();
    // A mount without devices refuses to open them, as a container does.
    let script = "mkdir m; mount -t tmpfs -o nodev,mode=700 none m; export TMPX_STATE_DIR=$PWD/m; tmpx file -p m >made; \
        mknod m/leases/019000000000-AAAAAAAAAA c 1 5; mknod m/leases/019000000000-BBBBBBBBBB b 7 0; \
        tmpx list; tmpx cleanup --all -q; echo $?; ls $(cat made)";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    let damaged = |letter: &str| {
        let id = format!("019000000000-{}", letter.repeat(10));
        format!("tmpx: could not read the lease $ROOT/cwd/m/leases/{id}: it is damaged\n")
    };
    let both = damaged("A") + &damaged("B");
    let (said, rest) = ran.stderr.split_at(ran.stderr.find("ls: ").unwrap());
    assert_eq!((said, rest.lines().count()), (both.repeat(2).as_str(), 1), "{ran:?}");
    assert_eq!(ran.stdout, "$ROOT/cwd/m/tmp.RANDOM\n1\n", "{ran:?}");
}
