//! The store stays small: expired entries and the least recently used ones are removed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use super::fixture::{
    HEADER, HeldByte, KeyByte, age, count, entry, files, printed, read_report, store,
};
use crate::support::sandbox::{Sandbox, has, names};

fn size(sandbox: &Sandbox) -> u64 {
    files(sandbox).iter().map(|name| fs::metadata(store(sandbox).join(name)).unwrap().len()).sum()
}

fn set(sandbox: &Sandbox, key: &str, bytes: usize) {
    let run = sandbox.tmpx(["cache", "set", key]).input("x".repeat(bytes));
    run.env("TMPX_CACHE_MAX", "100K").succeeds();
}

/// Sets the time of last use of what is stored under a key of one letter.
fn use_at(sandbox: &Sandbox, key: &str, hours_ago: u64) {
    for name in files(sandbox) {
        let path = store(sandbox).join(name);
        // The key follows the tag and the length of its field.
        if fs::read(&path).unwrap()[HEADER + 5] == key.as_bytes()[0] {
            let time = SystemTime::now() - Duration::from_secs(3600 * hours_ago);
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
    }
}

#[test]
fn the_least_recently_used_entries_go_down_to_four_fifths() {
    let sandbox = Sandbox::new();
    for (n, key) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        set(&sandbox, key, 15_000);
        use_at(&sandbox, key, 20 - n as u64);
    }
    assert_eq!(files(&sandbox).len(), 6);
    // A hit makes the first one the most recently used.
    sandbox.tmpx(["cache", "get", "a"]).succeeds();
    set(&sandbox, "g", 15_000);
    let left: Vec<&str> = ["a", "b", "c", "d", "e", "f", "g"]
        .into_iter()
        .filter(|key| sandbox.tmpx(["cache", "get", *key]).run().status == Some(0))
        .collect();
    assert_eq!(left, ["a", "d", "e", "f", "g"]);
    assert!(size(&sandbox) <= 80 * 1024, "{}", size(&sandbox));
}

#[test]
fn the_bound_holds_however_fast_entries_come() {
    let sandbox = Sandbox::new();
    for n in 0..30 {
        count(&sandbox, &format!("--key {n} --max-bytes 2K")).succeeds();
        assert!(size(&sandbox) <= 2048, "{n}: {}", size(&sandbox));
    }
    count(&sandbox, "--key last").env("TMPX_CACHE_MAX", "1K").succeeds();
    assert!(size(&sandbox) <= 1024);
}

#[test]
fn without_room_for_an_entry_nothing_is_kept() {
    let sandbox = Sandbox::new();
    for n in 1..=2 {
        let run = count(&sandbox, "--report report").env("TMPX_CACHE_MAX", "0");
        printed(&run.run(), &format!("run {n}\n"));
        assert_eq!(read_report(&sandbox)["why"], "the output is larger than 0 B");
    }
    // The command prints nothing.
    sandbox.tmpx(["cache", "run", "--max-bytes", "100", "true"]).expects(0, "", "");
    let set = sandbox.tmpx(["cache", "set", "k"]).env("TMPX_CACHE_MAX", "0");
    set.expects(1, "", "tmpx: could not keep standard input: the output is larger than 0 B\n");
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_new_version_of_an_entry_evicts_no_other() {
    let sandbox = Sandbox::new();
    set(&sandbox, "a", 15_000);
    use_at(&sandbox, "a", 20);
    // The sum of all versions is larger than the bound.
    for _ in 0..10 {
        set(&sandbox, "b", 15_000);
    }
    assert_eq!(sandbox.tmpx(["cache", "get", "a"]).succeeds().raw.len(), 15_000);
    assert_eq!(files(&sandbox).len(), 2);
}

#[test]
fn the_time_of_last_use_is_noted_at_most_once_an_hour() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    let path = entry(&sandbox);
    let time = |minutes: u64| {
        let time = SystemTime::now() - Duration::from_secs(60 * minutes);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let set = fs::metadata(&path).unwrap().modified().unwrap();
        count(&sandbox, "").succeeds();
        fs::metadata(&path).unwrap().modified().unwrap() != set
    };
    assert!(!time(50));
    assert!(time(61));
}

/// Makes the time since the last look for expired entries longer than a minute.
fn a_minute_passes(sandbox: &Sandbox) {
    let lock = store(sandbox).join("lock");
    let mut numbers = fs::read(&lock).unwrap();
    let cleaned = u64::from_le_bytes(*numbers[8..].first_chunk().unwrap());
    numbers[8..16].copy_from_slice(&(cleaned - 61_000).to_le_bytes());
    fs::write(&lock, numbers).unwrap();
}

#[test]
fn misses_find_all_expired_entries_among_more_than_they_look_at() {
    let sandbox = Sandbox::in_memory();
    count(&sandbox, "").succeeds();
    let path = entry(&sandbox);
    let fresh = fs::read(&path).unwrap();
    age(&path, 2 * 3_600_000);
    let expired = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let name = |n: u64| store(&sandbox).join(format!("{:016x}", n << 40));
    for n in 1..=1200 {
        fs::write(name(n), if n % 2 == 0 { &fresh } else { &expired }).unwrap();
        fs::set_permissions(name(n), fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Each looks at a third of them.
    let mut misses = 0;
    while files(&sandbox).len() > 600 + misses {
        let before = files(&sandbox).len();
        a_minute_passes(&sandbox);
        count(&sandbox, &format!("--key {misses}")).succeeds();
        misses += 1;
        assert!(before + 1 - files(&sandbox).len() <= 512);
        assert!(misses < 100, "{} are left", files(&sandbox).len());
    }
    assert!((2..=1200).step_by(2).all(|n| name(n).exists()), "what is fresh stays");
}

#[test]
fn a_miss_removes_expired_entries_at_most_once_a_minute() {
    let sandbox = Sandbox::new();
    count(&sandbox, "--key old").succeeds();
    let old = entry(&sandbox);
    age(&old, 2 * 3_600_000);
    // That miss has looked for expired entries, so the next one does not.
    count(&sandbox, "--key a").succeeds();
    assert!(old.exists());
    a_minute_passes(&sandbox);
    count(&sandbox, "--key a").succeeds();
    assert!(old.exists(), "a hit removes nothing");
    count(&sandbox, "--key b").succeeds();
    assert!(!old.exists());
    assert_eq!(files(&sandbox).len(), 2);
}

#[test]
fn cleanup_removes_expired_entries_and_says_so_in_one_line() {
    let sandbox = Sandbox::new();
    let cleanup = |args: &str| {
        let ran = sandbox.tmpx(["cleanup"].into_iter().chain(args.split_whitespace())).run();
        assert_eq!(ran.status, Some(0), "{ran:?}");
        ran.stderr.replace("tmpx: removed 0\n", "").replace("tmpx: would remove 0\n", "")
    };
    for key in ["a", "b", "c"] {
        count(&sandbox, &format!("--key {key}")).succeeds();
    }
    assert_eq!(cleanup(""), "");
    let paths: Vec<_> =
        files(&sandbox).into_iter().map(|name| store(&sandbox).join(name)).collect();
    age(&paths[0], 3_600_000);
    age(&paths[1], 3_600_000);
    let bytes: u64 = paths[..2].iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let file = sandbox.file();
    let path = file.to_str().unwrap();
    for other in ["--session s", "--older-than 1d", "-q -n", path] {
        assert!(!cleanup(other).contains("cache"), "{other}");
    }
    assert_eq!(files(&sandbox).len(), 3);
    assert_eq!(cleanup("-n"), format!("tmpx: would remove 2 expired cache entries ({bytes} B)\n"));
    assert_eq!(files(&sandbox).len(), 3);
    assert_eq!(cleanup(""), format!("tmpx: removed 2 expired cache entries ({bytes} B)\n"));
    assert_eq!(files(&sandbox).len(), 1);
    age(&entry(&sandbox), 3_600_000);
    assert!(cleanup("--all").starts_with("tmpx: removed 1 expired cache entry ("));
    assert_eq!(names(&store(&sandbox)), ["lock"]);
    assert_eq!(cleanup("-q"), "");
}

#[test]
fn a_cleanup_removes_what_a_killed_process_has_left() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    let path = entry(&sandbox);
    for suffix in ["new", "failed"] {
        fs::copy(&path, path.with_extension(suffix)).unwrap();
    }
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(entry(&sandbox), path);
    printed(&count(&sandbox, "").run(), "run 1\n");
    // The next run replaces the entry all the same.
    fs::copy(&path, path.with_extension("new")).unwrap();
    printed(&count(&sandbox, "--refresh").run(), "run 2\n");
    assert_eq!(entry(&sandbox), path);
    printed(&count(&sandbox, "").run(), "run 2\n");
}

#[test]
fn what_others_need_is_neither_evicted_nor_cleared() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    let path = entry(&sandbox);
    // A failure that others wait for, and an entry on its way to its name. Both seem to be old.
    let helds = [KeyByte::Waiting, KeyByte::Replacing].map(|byte| HeldByte::of(&path, byte));
    let between = ["failed", "new"].map(|suffix| path.with_extension(suffix));
    for between in &between {
        fs::copy(&path, between).unwrap();
        let time = SystemTime::now() - Duration::from_hours(30);
        fs::File::options().write(true).open(between).unwrap().set_modified(time).unwrap();
    }
    count(&sandbox, "--key large --max-bytes 300").succeeds();
    assert_eq!(files(&sandbox).len(), 3, "one entry is evicted");
    assert!(between.iter().all(|path| path.exists()));
    for args in [&["cache", "clear", "-q"][..], &["cleanup", "-q"]] {
        sandbox.tmpx(args).succeeds();
        assert!(between.iter().all(|path| path.exists()), "{args:?}");
    }
    assert_eq!(files(&sandbox).len(), 2);
    drop(helds);
    sandbox.tmpx(["cache", "clear"]).expects(0, "", "tmpx: removed 0 cache entries\n");
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_cache_can_end_with_its_script() {
    let sandbox = Sandbox::new();
    let script = "export TMPX_UNTIL_EXIT=$$\nTMPX_CACHE_DIR=$(tmpx dir)\nexport TMPX_CACHE_DIR\n\
        for n in 1 2; do tmpx cache run -- sh -c 'echo x >> runs; wc -l < runs'; done";
    printed(&sandbox.sh(script).run(), "1\n1\n");
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(sandbox.left(), [""; 0]);
    assert!(!store(&sandbox).exists());
}

#[test]
fn files_of_other_programs_in_the_directory_stay_as_they_are() {
    let sandbox = Sandbox::new();
    let dir = sandbox.cwd().join("c");
    fs::create_dir(&dir).unwrap();
    for name in ["0123456789abcdef", "0123456789abcdef.new", "0123456789abcdef.failed"] {
        fs::write(dir.join(name), "mine\n").unwrap();
    }
    // A disk image, say, begins with zeros.
    let image = [vec![0; 200_000], b"mine".to_vec()].concat();
    fs::write(dir.join("fedcba9876543210"), &image).unwrap();
    let run = |args: &str| {
        let run = sandbox.tmpx(args.split(' ')).env("TMPX_CACHE_DIR", &dir);
        run.env("TMPX_CACHE_MAX", "1K").run()
    };
    for args in ["cleanup -n", "cleanup", "cache run -- seq 1000", "cache clear", "cleanup"] {
        let ran = run(args);
        assert_eq!(ran.status, Some(0), "{args}: {ran:?}");
        assert!(!ran.stderr.contains("expired"), "{args}: {ran:?}");
    }
    let expected = ["0123456789abcdef", "0123456789abcdef.failed", "0123456789abcdef.new"];
    assert_eq!(names(&dir), [&expected[..], &["fedcba9876543210", "lock"]].concat());
    assert_eq!(fs::read(dir.join("fedcba9876543210")).unwrap(), image);
    // A lock file of another program is not written to.
    let zeros = "\0".repeat(100) + "1";
    for lock in
        ["1234\n", "12345678", &zeros, "a lock file of another program, with a longer text\n"]
    {
        fs::write(dir.join("lock"), lock).unwrap();
        assert_eq!(run("cache run -- echo text").stdout, "text\n");
        assert_eq!(run("cache clear").status, Some(1));
        assert_eq!(fs::read_to_string(dir.join("lock")).unwrap(), lock);
    }
    assert!(expected.iter().all(|name| fs::read_to_string(dir.join(name)).unwrap() == "mine\n"));
}
