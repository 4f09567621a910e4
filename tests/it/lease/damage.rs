//! Leases that are changed, emptied, copied or removed while something depends on them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::support::lease::{GIVEN, NOT_GIVEN, edit, seal};
use crate::support::sandbox::{KEPT, Sandbox, has, words};

/// Ways in which a command can change the lease that it runs under.
const CHANGES: [&str; 4] =
    [": >", "echo x >", "dd if=/dev/zero bs=1 count=9 status=none >", "echo x >>"];

#[test]
fn a_command_that_changes_its_lease_loses_nothing() {
    let sandbox = Sandbox::new();
    for change in CHANGES {
        let script = format!("echo data > big; {change} /proc/self/fd/100");
        sandbox.tmpx(["exec", "--", "sh", "-c", &script]).expects(0, "", "");
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0), "{script}");
        let script = format!("{change} /proc/self/fd/100; cat $1");
        let spool = ["spool", "--", "sh", "-c", &script, "sh", "{}"];
        let ran = sandbox.tmpx(spool).input("text").run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "text"), "{ran:?}");
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0), "{script}");
    }
}

#[test]
fn a_workspace_that_is_kept_has_a_lease_even_if_its_command_changed_that() {
    let sandbox = Sandbox::new();
    for change in CHANGES {
        let script = format!("{change} /proc/self/fd/100");
        sandbox.tmpx(["exec", "--keep", "--", "sh", "-c", &script]).expects(0, "", KEPT);
        let listed = sandbox.tmpx(["list"]).succeeds();
        assert_eq!(listed.stdout, "$ROOT/tmp/tmp.RANDOM\n", "{script}");
        sandbox.tmpx(words("cleanup -q --all")).succeeds();
        assert_eq!(sandbox.leases().len(), 0, "{script}");
    }
}

#[test]
fn a_lease_that_is_emptied_before_exec_is_killed_is_damaged_and_not_forgotten() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["exec", "--", "sh", "-c", ": > /proc/self/fd/100; kill -9 $PPID"]).run();
    let (id, workspace) = (sandbox.leases().remove(0), sandbox.left().remove(0));
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    let expected = format!(
        "tmpx: could not read the lease $ROOT/home/state/leases/{id}: it is damaged\n\
         tmpx: removed 0\n"
    );
    assert_eq!((ran.status, ran.stderr), (Some(1), expected));
    assert_eq!(sandbox.left(), [workspace.as_str()]);
    fs::remove_dir_all(sandbox.tmp().join(workspace)).unwrap();
    fs::remove_file(sandbox.leases_dir().join(id)).unwrap();
}

#[test]
fn an_empty_lease_is_of_a_creator_that_was_killed_in_its_first_write_unless_that_came_late() {
    if !has("strace") {
        return;
    }
    for (milliseconds, is_damaged) in [(0, false), (50, false), (5000, true)] {
        let sandbox = Sandbox::new();
        let strace = "strace -qq -o /dev/null -e inject=write:signal=SIGKILL:when=1";
        sandbox.sh(&format!("{strace} tmpx file")).run();
        // The kernel sets the time before it looks for a kill. That takes too little time to hit it.
        let path = sandbox.leases_dir().join(&sandbox.leases()[0]);
        let lease = fs::File::options().write(true).open(&path).unwrap();
        assert_eq!(lease.metadata().unwrap().len(), 0);
        let created = lease.metadata().unwrap().modified().unwrap();
        lease.set_modified(created + Duration::from_millis(milliseconds)).unwrap();
        let ran = sandbox.tmpx(words("cleanup --all")).run();
        assert_eq!(ran.stderr.contains("it is damaged"), is_damaged, "{ran:?}");
        assert_eq!(path.exists(), is_damaged, "{milliseconds}");
        let _ = fs::remove_file(path);
    }
}

/// A crash of the system may empty a lease that was told: its name has a time before the restart, and no write
/// shows in its own times.
#[test]
fn an_empty_lease_from_before_a_restart_is_damaged_and_not_forgotten() {
    let sandbox = Sandbox::new();
    let path = sandbox.file();
    let told = sandbox.leases().remove(0);
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    for (seconds_after_boot, is_damaged) in [(-3600.0, true), (-5.0, true), (uptime, false)] {
        let moment = now.as_secs_f64() - uptime + seconds_after_boot;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
        let id = format!("{:012x}{}", (moment * 1000.0) as u64, &told[12..]);
        let _ = fs::remove_file(sandbox.leases_dir().join(&sandbox.leases()[0]));
        let lease = sandbox.leases_dir().join(&id);
        fs::OpenOptions::new().write(true).create_new(true).mode(0o1600).open(&lease).unwrap();
        let said = if is_damaged {
            format!("tmpx: could not read the lease $ROOT/home/state/leases/{id}: it is damaged\n")
        } else {
            String::new()
        };
        sandbox.tmpx(["list"]).expects(0, "", &said);
        let totals = format!("{said}tmpx: removed 0\n");
        sandbox.tmpx(words("cleanup --all --force")).expects(i32::from(is_damaged), "", &totals);
        assert_eq!((lease.exists(), path.exists()), (is_damaged, true), "{seconds_after_boot}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn no_cleanup_removes_or_forgets_what_is_just_being_created() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    sandbox.tmpx(["file"]).path();
    sandbox.clean_up();
    for (call, command) in [
        ("mkdirat", "dir"),
        ("mkdirat", "dir --name build"),
        ("renameat2", "dir --name build"),
        ("write", "dir --name build"),
        ("write", "file"),
        ("pwrite64", "file"),
    ] {
        let script = format!(
            "strace -qq -o trace -e trace={call} -e inject={call}:delay_enter=200000 \
             tmpx {command} > made & \
             while kill -0 $! 2> /dev/null; do tmpx cleanup --all --force -q; done; \
             wait $! && tmpx list | cmp - made && test -e \"$(cat made)\""
        );
        let ran = sandbox.sh(&script).run();
        // The last cleanup may have come after the creator had ended.
        let is_removed = sandbox.left().is_empty() && sandbox.leases().is_empty();
        let left = (sandbox.left(), sandbox.leases());
        assert!(ran.status == Some(0) || is_removed, "{call} {command}: {ran:?} {left:?}");
        sandbox.tmpx(words("cleanup -q --all")).succeeds();
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0), "{call} {command}");
    }
}

#[test]
fn a_file_whose_lease_was_removed_meanwhile_is_removed_and_an_error() {
    let sandbox = Sandbox::new();
    let mut creator = sandbox.tmpx(words("file --from -")).spawn();
    let mut input = creator.stdin.take().unwrap();
    // More than a pipe holds, so the file is being filled.
    input.write_all(&vec![b'x'; 1 << 18]).unwrap();
    fs::remove_file(sandbox.leases_dir().join(&sandbox.leases()[0])).unwrap();
    drop(input);
    assert_eq!(creator.wait_with_output().unwrap().status.code(), Some(1));
    assert_eq!(sandbox.left().len(), 0);
}

#[test]
fn a_file_whose_creator_is_killed_while_it_is_filled_is_removed_in_any_directory() {
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.tmp(), fs::Permissions::from_mode(0o777)).unwrap();
    for command in ["file --from -", "file --from - --name a.csv", "file --from - a.XXXXXX"] {
        let mut creator = sandbox.tmpx(words(command)).cwd(sandbox.tmp()).spawn();
        let mut input = creator.stdin.take().unwrap();
        input.write_all(&vec![b'x'; 1 << 18]).unwrap();
        creator.kill().unwrap();
        creator.wait().unwrap();
        assert_eq!(sandbox.left().len(), 1, "{command}");
        sandbox.tmpx(words("cleanup -q")).succeeds();
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0), "{command}");
    }
}

#[test]
fn leases_that_were_copied_elsewhere_are_kept_and_reported() {
    let sandbox = Sandbox::new();
    let path = sandbox.tmpx(words("file --ttl 1ms")).path();
    let id = sandbox.leases().remove(0);
    let copy = sandbox.root().join("copy");
    sandbox.sh("cp -a $TMPX_STATE_DIR ../copy").succeeds();
    for force in ["", " --force"] {
        let args = format!("cleanup --all{force}");
        let ran = sandbox.tmpx(words(&args)).env("TMPX_STATE_DIR", &copy).run();
        let expected = format!(
            "tmpx: could not read the lease $ROOT/copy/leases/{id}: \
             it was copied or brought from elsewhere\ntmpx: removed 0\n"
        );
        assert_eq!((ran.status, ran.stderr), (Some(1), expected));
    }
    assert!(path.exists() && copy.join("leases").join(&id).exists());
    // Moving the store keeps its identity.
    fs::rename(sandbox.state(), sandbox.root().join("moved")).unwrap();
    let moved = sandbox.root().join("moved");
    sandbox.tmpx(words("cleanup -q")).env("TMPX_STATE_DIR", &moved).succeeds();
    assert!(!path.exists());
}

#[test]
fn a_lease_that_lost_or_gained_a_line_after_the_commit_is_damaged() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("file --count 2 --ttl 1ms")).succeeds();
    let lease = sandbox.leases_dir().join(&sandbox.leases()[0]);
    let whole = fs::read_to_string(&lease).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 3, "{whole}");
    let untold = |text: &str| text.replacen(&text[GIVEN], NOT_GIVEN, 1);
    for damaged in [
        lines[..2].concat(),
        lines[..1].concat(),
        format!("{whole}{}", lines[2]),
        [lines[0], lines[2], lines[1]].concat(),
        [lines[0], lines[2]].concat(),
        whole.replacen("tmp.", "tmq.", 1),
        untold(&whole).replacen("tmp.", "tmq.", 1),
        untold(&whole).to_uppercase(),
    ] {
        fs::write(&lease, &damaged).unwrap();
        let ran = sandbox.tmpx(words("cleanup --all --force")).run();
        assert!(ran.stderr.ends_with("it is damaged\ntmpx: removed 0\n"), "{damaged}: {ran:?}");
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (2, 1));
    }
    fs::write(&lease, whole + "{\"lifetime\":").unwrap();
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn a_lease_with_an_unknown_key_was_written_by_a_newer_tmpx() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let lease = sandbox.leases_dir().join(&sandbox.leases()[0]);
    let whole = fs::read_to_string(&lease).unwrap();
    for (part, newer) in [
        ("\"local\":", "\"colour\":1,\"local\":"),
        ("\"pid_ns\":", "\"net_ns\":1,\"pid_ns\":"),
        ("{\"made\":", "{\"found\":"),
    ] {
        edit(&lease, |text| text.replacen(part, newer, 1));
        let ran = sandbox.tmpx(words("cleanup --all --force")).run();
        let newer = "it was written by a newer tmpx\ntmpx: removed 0\n";
        assert!(ran.stderr.ends_with(newer), "{part}: {ran:?}");
        fs::write(&lease, &whole).unwrap();
    }
    assert_eq!(seal(&whole), whole);
    sandbox.clean_up();
}

#[test]
fn what_a_damaged_lease_may_cover_is_not_called_foreign() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(["file"]).succeeds();
    let (path, id) = (ran.raw.trim_end(), sandbox.leases().remove(0));
    fs::write(sandbox.leases_dir().join(&id), "nonsense\n").unwrap();
    let damaged =
        format!("tmpx: could not read the lease $ROOT/home/state/leases/{id}: it is damaged\n");
    let unknown = "$ROOT/tmp/tmp.RANDOM: no lease that could be read covers it\n";
    let expected = format!("{damaged}tmpx: could not remove {unknown}tmpx: removed 0\n");
    sandbox.tmpx(["cleanup", path]).expects(1, "", &expected);
    sandbox.tmpx(["list", path]).expects(1, "", &format!("{damaged}tmpx: {unknown}"));
    fs::remove_file(path).unwrap();
    fs::remove_file(sandbox.leases_dir().join(&id)).unwrap();
}

/// Who writes an archive does not know which identity the directory of the leases will have.
#[test]
fn a_lease_that_does_not_say_where_it_was_written_removes_only_what_an_identity_proves() {
    let sandbox = Sandbox::new();
    let run = |args: &[&str]| sandbox.tmpx(args).without("TMPX_STATE_DIR");
    let store = sandbox.home().join(".local/state/tmpx/leases");
    for is_proven in [false, true] {
        let path = run(&["dir"]).succeeds().raw.trim_end().to_owned();
        fs::write(Path::new(&path).join("file"), "").unwrap();
        let lease = fs::read_dir(&store).unwrap().next().unwrap().unwrap().path();
        edit(&lease, |text| {
            let without = |text: &str, key: &str, value: &str| {
                let (before, rest) = text.split_once(key).unwrap();
                format!("{before}{value}{}", rest.split_once('"').unwrap().1)
            };
            let text = without(text, "\"store\":\"", "\"store\":null");
            let text = text.replacen(&text[GIVEN], NOT_GIVEN, 1);
            if is_proven { text } else { without(&text, "{\"made\":[\"", "{\"made\":[\"W.-\"") }
        });
        let ran = run(&["cleanup"]).run();
        assert_eq!(Path::new(&path).exists(), !is_proven, "{ran:?}");
        assert_eq!(lease.exists(), !is_proven, "what is kept is covered");
        if !is_proven {
            fs::remove_dir_all(path).and_then(|()| fs::remove_file(lease)).unwrap();
        }
    }
}
