//! A damaged entry is a miss, which is found before the first byte is printed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use super::fixture::{HEADER, count, entry, files, number, printed, store};
use crate::support::sandbox::Sandbox;
use crate::support::wait::wait_until;

/// Where the status of the run is in the header.
const STATUS: usize = 44;

/// Damages the entry in one way and checks that the command runs again, and is kept again.
fn check(sandbox: &Sandbox, what: &str, damage: impl FnOnce(&std::path::Path)) {
    let before = super::fixture::runs(sandbox);
    let path = entry(sandbox);
    damage(&path);
    let new = format!("run {}\n", before + 1);
    for _ in 0..2 {
        let ran = count(sandbox, "").run();
        assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (Some(0), &*new, ""), "{what}");
    }
    assert_eq!(entry(sandbox), path, "{what}");
}

fn rewrite(path: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_entry_that_is_cut_longer_zeroed_or_of_another_version_is_a_miss() {
    let sandbox = Sandbox::new();
    printed(&count(&sandbox, "").run(), "run 1\n");
    check(&sandbox, "empty", |path| rewrite(path, Vec::clear));
    let length = fs::metadata(entry(&sandbox)).unwrap().len();
    let length = usize::try_from(length).unwrap();
    for cut in [1, 2, 4, 6, 7, 12, length - HEADER, length - HEADER + 1, length - 7, length - 1] {
        check(&sandbox, &format!("{cut} bytes cut"), |path| {
            rewrite(path, |bytes| bytes.truncate(bytes.len() - cut));
        });
    }
    check(&sandbox, "longer", |path| rewrite(path, |bytes| bytes.push(0)));
    check(&sandbox, "zeroed", |path| rewrite(path, |bytes| bytes.fill(0)));
    check(&sandbox, "zeros at the end", |path| {
        rewrite(path, |bytes| {
            let end = bytes.len();
            bytes[end - 6..].fill(0);
        });
    });
    check(&sandbox, "another version", |path| {
        super::fixture::edit(path, |bytes| bytes[6] = 2);
    });
}

#[test]
fn an_entry_with_a_signal_that_does_not_exist_is_a_miss() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    for signal in [i32::MIN, -1000, -65] {
        let status = signal.to_le_bytes();
        check(&sandbox, &signal.to_string(), |path| {
            rewrite(path, |bytes| bytes[STATUS..STATUS + 4].copy_from_slice(&status));
        });
    }
}

#[test]
fn a_key_that_seems_to_be_huge_takes_no_memory() {
    let sandbox = Sandbox::new();
    let script =
        "ulimit -v 2000000; tmpx cache run -- sh -c 'echo x >> runs; echo $(wc -l < runs)'";
    sandbox.sh(script).expects(0, "1\n", "");
    rewrite(&entry(&sandbox), |bytes| bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes()));
    let file = fs::File::options().write(true).open(entry(&sandbox)).unwrap();
    let frames = number(&entry(&sandbox), 24);
    file.set_len(HEADER as u64 + u64::from(u32::MAX) + frames).unwrap();
    for _ in 0..2 {
        sandbox.sh(script).expects(0, "2\n", "");
    }
}

#[test]
fn no_flipped_bit_is_printed() {
    let sandbox = Sandbox::new();
    printed(&count(&sandbox, "").run(), "run 1\n");
    let whole = fs::read(entry(&sandbox)).unwrap();
    for at in (0..whole.len()).step_by(5).chain(whole.len() - 10..whole.len()) {
        check(&sandbox, &format!("byte {at}"), |path| {
            rewrite(path, |bytes| bytes[at] ^= 1 << (at % 8));
        });
    }
}

#[test]
fn a_large_entry_is_checked_before_it_is_printed() {
    let sandbox = Sandbox::new();
    let run = || sandbox.tmpx(["cache", "run", "sh", "-c", "echo x >> runs; seq 100000"]).run();
    let whole = run().raw;
    for at in [200, 300_000, 588_000] {
        rewrite(&entry(&sandbox), |bytes| bytes[at] ^= 4);
        let ran = run();
        assert!(ran.raw == whole && ran.status == Some(0), "{at}");
    }
    rewrite(&entry(&sandbox), |bytes| bytes[300_000..].fill(0));
    assert!(run().raw == whole);
    assert_eq!(super::fixture::runs(&sandbox), 5);
}

#[test]
fn a_foreign_file_in_the_place_of_an_entry_is_replaced() {
    let sandbox = Sandbox::new();
    printed(&count(&sandbox, "").run(), "run 1\n");
    check(&sandbox, "text", |path| fs::write(path, "run 7\n").unwrap());
    let outside = sandbox.cwd().join("outside");
    check(&sandbox, "a link to an entry", |path| {
        fs::rename(path, &outside).unwrap();
        symlink(&outside, path).unwrap();
    });
    assert!(outside.exists());
    check(&sandbox, "a FIFO", |path| {
        fs::remove_file(path).unwrap();
        let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(path).status();
        assert!(made.unwrap().success());
    });
    // A directory cannot be replaced by a file.
    let path = entry(&sandbox);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let ran = count(&sandbox, "").run();
    assert_eq!(ran.status, Some(0));
    assert!(ran.stderr.starts_with("tmpx: could not keep the output in "), "{ran:?}");
    assert_eq!(files(&sandbox).len(), 1);
}

#[test]
fn a_cleanup_removes_entries_of_another_version() {
    let sandbox = Sandbox::new();
    for act in [&["cleanup", "-q"][..], &["cache", "clear", "-q"]] {
        count(&sandbox, "").succeeds();
        let path = entry(&sandbox);
        let mut bytes = fs::read(&path).unwrap();
        bytes[6] ^= 3;
        fs::write(&path, bytes).unwrap();
        sandbox.tmpx(act).succeeds();
        assert_eq!(files(&sandbox), [""; 0], "{act:?}");
    }
}

#[test]
fn an_entry_that_is_removed_or_replaced_while_it_is_read_is_read_to_its_end() {
    for act in ["clear -q", "run --refresh sh -c"] {
        let sandbox = Sandbox::new();
        let script = "seq 300000";
        let whole = sandbox.tmpx(["cache", "run", "sh", "-c", script]).succeeds().raw;
        let mut command = sandbox.tmpx(["cache", "run", "sh", "-c", script]).prepared();
        let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        // It has opened the entry when it waits for the pipe.
        wait_until("it waits for its reader", || {
            let name = fs::read_to_string(format!("/proc/{}/wchan", child.id()));
            name.is_ok_and(|name| name.contains("pipe"))
        });
        let before = fs::metadata(entry(&sandbox)).unwrap().ino();
        let args = ["cache"].into_iter().chain(act.split(' '));
        sandbox.tmpx(args.chain(act.ends_with("-c").then_some(script))).succeeds();
        let kept = files(&sandbox).into_iter().map(|name| fs::metadata(store(&sandbox).join(name)));
        assert!(kept.flatten().all(|file| file.ino() != before), "{act}");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout == whole.as_bytes(), "{act}");
    }
}
