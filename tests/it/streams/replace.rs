//! `tmpx replace` replaces the content of a file atomically.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::streams::fixture::{content, with_file};
use crate::support::sandbox::{NOBODY, Sandbox, has, is_root, mode, names, skip_unless, words};

#[test]
fn a_file_can_be_filtered_into_itself() {
    let sandbox = with_file("b\na\n");
    sandbox.sh("sort f | tmpx replace f").expects(0, "", "");
    assert_eq!(content(&sandbox), "a\nb\n");
    sandbox.sh("tmpx replace f -- sort -r f").expects(0, "", "");
    assert_eq!(content(&sandbox), "b\na\n");
    sandbox.sh("tmpx replace f < f").expects(0, "", "");
    assert_eq!(content(&sandbox), "b\na\n");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn sponge_agrees_on_what_it_does_right() {
    if !has("sponge") {
        return;
    }
    let cases = [
        "seq 100000 | TOOL f",
        "seq 3 | TOOL new",
        "chmod 640 f; seq 3 | TOOL f",
        "seq 3 | TOOL -a f",
        "seq 3 | TOOL -a new",
        "ln -s f link; seq 3 | TOOL link",
        "true | TOOL f",
        "umask 027; seq 3 | TOOL new",
    ];
    for case in cases {
        let [ours, theirs] = ["tmpx replace", "sponge"].map(|tool| {
            let sandbox = with_file("old\n");
            sandbox.sh(&case.replace("TOOL", tool)).succeeds();
            let files = names(&sandbox.cwd()).into_iter().map(|name| {
                let path = sandbox.cwd().join(&name);
                (name, mode(&path), path.is_symlink(), fs::read(&path).unwrap())
            });
            files.collect::<Vec<_>>()
        });
        assert!(ours == theirs, "{case}: {ours:?} and {theirs:?}");
    }
}

#[test]
fn sponge_differs_where_it_loses_data() {
    let sandbox = with_file("old\n");
    // The producer failed: sponge cannot know.
    sandbox.sh("tmpx replace f -- sh -c 'echo half; exit 3'").expects(3, "", "");
    assert_eq!(content(&sandbox), "old\n");
    // Appending to a symlink: sponge loses the old content.
    sandbox.sh("ln -s f link; echo new | tmpx replace -a link").expects(0, "", "");
    assert_eq!(content(&sandbox), "old\nnew\n");
    assert!(sandbox.cwd().join("link").is_symlink());
    // An empty result: sponge always writes it.
    sandbox.sh("false | tmpx replace f --no-empty").expects(0, "", "");
    assert_eq!(content(&sandbox), "old\nnew\n");
    sandbox.sh("false | tmpx replace new --no-empty").expects(0, "", "");
    assert_eq!(names(&sandbox.cwd()), ["f", "link"]);
    // A device: sponge writes to it; tmpx would remove it.
    let message = "tmpx: could not replace /dev/null: it is not a regular file\n\
                   hint: '>' writes into it\n";
    sandbox.sh("echo | tmpx replace /dev/null").expects(1, "", message);
}

#[test]
fn a_file_in_a_directory_that_takes_no_new_file_gets_a_hint() {
    let sandbox = Sandbox::for_nobody();
    fs::create_dir(sandbox.cwd().join("d")).unwrap();
    let message = "tmpx: could not replace d/f: could not create file in $ROOT/cwd/d: \
                   Permission denied\n";
    let script = "echo old >d/f; chmod 666 d/f; chmod 755 d";
    sandbox.sh(script).succeeds();
    if is_root() {
        let hint = format!("{message}hint: '>' writes into it\n");
        sandbox.sh("echo new | tmpx replace d/f").by_nobody().expects(1, "", &hint);
        sandbox.sh("tmpx replace d/f -- echo new").by_nobody().expects(125, "", &hint);
        // '>' creates no file there either.
        let message = message.replace("d/f", "d/g");
        sandbox.sh("echo new | tmpx replace d/g").by_nobody().expects(1, "", &message);
    }
    sandbox.sh("cat d/f; ls -A d").expects(0, "old\nf\n", "");
}

#[test]
fn a_producer_commits_only_by_success() {
    let sandbox = with_file("old\n");
    sandbox.tmpx(words("replace f -- seq 2")).expects(0, "", "");
    assert_eq!(content(&sandbox), "1\n2\n");
    for status in [1, 7, 125, 255] {
        let script = format!("echo half; exit {status}");
        sandbox.tmpx(["replace", "f", "--", "sh", "-c", &script]).expects(status, "", "");
    }
    let ran = sandbox.tmpx(["replace", "f", "--", "sh", "-c", "echo half; kill -9 $$"]).run();
    assert_eq!(ran.signal, Some(9), "{ran:?}");
    let missing = "tmpx: could not run nosuch: command not found\n";
    sandbox.tmpx(words("replace f -- nosuch")).expects(127, "", missing);
    assert_eq!(content(&sandbox), "1\n2\n");
    sandbox.tmpx(words("replace f --append -- echo 3")).expects(0, "", "");
    assert_eq!(content(&sandbox), "1\n2\n3\n");
    sandbox.tmpx(words("replace f --no-empty -- true")).expects(0, "", "");
    assert_eq!(content(&sandbox), "1\n2\n3\n");
    sandbox.tmpx(["replace", "f", "--", "cat"]).input("from stdin").expects(0, "", "");
    assert_eq!(content(&sandbox), "from stdin");
    sandbox.tmpx(["replace", "f", "--", "head", "-c", "3000000", "/dev/zero"]).expects(0, "", "");
    assert_eq!(fs::metadata(sandbox.cwd().join("f")).unwrap().len(), 3_000_000);
}

#[test]
fn processes_left_by_the_producer_are_waited_for_until_a_signal() {
    let sandbox = with_file("old\n");
    let script = "(sleep 0.2; echo late) & echo early";
    sandbox.tmpx(["replace", "f", "--", "sh", "-c", script]).expects(0, "", "");
    assert_eq!(content(&sandbox), "early\nlate\n");
    let script = "sleep 30 & echo $! > pid";
    let mut child = sandbox.tmpx(["replace", "f", "--", "sh", "-c", script]).spawn();
    let pid = sandbox.cwd().join("pid");
    while !fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')) {
        std::thread::yield_now();
    }
    // The first one may still reach the command.
    while child.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        std::thread::yield_now();
    }
    sandbox.sh("kill $(cat pid)").run();
    assert_eq!(content(&sandbox), "early\nlate\n");
}

#[test]
fn mode_owner_and_attributes_are_kept() {
    let sandbox = with_file("old\n");
    let path = sandbox.cwd().join("f");
    for bits in [0o600, 0o644, 0o755, 0o4755, 0o2750, 0o1666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        sandbox.sh("umask 077; echo new | tmpx replace f").expects(0, "", "");
        assert_eq!(mode(&path), bits, "{bits:o}");
    }
    if is_root() {
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
        sandbox.sh("echo new | tmpx replace f").expects(0, "", "");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), mode(&path)), (NOBODY, NOBODY, 0o4755));
    }
    if has("setfattr") {
        sandbox.sh("setfattr -n user.origin -v here f && echo new | tmpx replace f").succeeds();
        let ran = sandbox.sh("getfattr --only-values -n user.origin f").succeeds();
        assert_eq!(ran.stdout, "here");
    }
    if has("setfacl") {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        sandbox
            .sh("setfacl -m u:65533:rw f; getfacl f >b; tmpx replace f <b; getfacl f >a")
            .succeeds();
        sandbox.sh("cmp a b; grep 65533:rw a").expects(0, "user:65533:rw-\n", "");
        // An ACL that a new file would inherit is dropped if the old file does not have it.
        sandbox.sh("setfacl -b f; chmod 640 f; setfacl -d -m u:65533:rwx .").succeeds();
        sandbox.sh("echo | tmpx replace f; getfacl f | grep -c 65533").expects(1, "0\n", "");
        assert_eq!(mode(&path), 0o640);
    }
}

#[test]
fn an_owner_that_cannot_be_kept_is_reported_and_set_id_bits_are_dropped() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let path = sandbox.cwd().join("f");
    fs::write(&path, "old\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6757)).unwrap();
    let notes = "tmpx: could not keep the owner of f\ntmpx: could not keep the group of f\n";
    sandbox.tmpx(["replace", "f"]).by_nobody().input("new\n").expects(0, "", notes);
    assert_eq!((content(&sandbox).as_str(), mode(&path)), ("new\n", 0o757));
    assert_eq!(fs::metadata(&path).unwrap().uid(), NOBODY);
}

#[test]
fn a_file_without_write_permission_is_not_replaced() {
    let sandbox = Sandbox::for_nobody();
    let path = sandbox.cwd().join("f");
    fs::write(&path, "old\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let message = "tmpx: could not replace f: Permission denied\n";
    sandbox.tmpx(["replace", "f"]).by_nobody().input("new\n").expects(1, "", message);
    sandbox.tmpx(words("replace f -- echo new")).by_nobody().expects(125, "", message);
    assert_eq!(content(&sandbox), "old\n");
}

#[test]
fn a_new_file_has_the_mode_of_a_redirection() {
    let sandbox = Sandbox::new();
    for mask in ["022", "077", "000", "027"] {
        let script = format!(
            "umask {mask}; rm -f a b; echo | tmpx replace a; echo > b; stat -c %a a b | uniq | wc -l"
        );
        sandbox.sh(&script).expects(0, "1\n", "");
    }
}

#[test]
fn a_symlink_stays_and_its_target_is_replaced() {
    let sandbox = with_file("old\n");
    fs::create_dir(sandbox.cwd().join("sub")).unwrap();
    symlink("../f", sandbox.cwd().join("sub/one")).unwrap();
    symlink("sub/one", sandbox.cwd().join("two")).unwrap();
    symlink("sub/made", sandbox.cwd().join("dangling")).unwrap();
    sandbox.sh("echo new | tmpx replace two; readlink two sub/one").expects(
        0,
        "sub/one\n../f\n",
        "",
    );
    assert_eq!(content(&sandbox), "new\n");
    sandbox.sh("echo new | tmpx replace dangling; cat sub/made").expects(0, "new\n", "");
    symlink("loop", sandbox.cwd().join("loop")).unwrap();
    let message = "tmpx: could not replace loop: Too many levels of symbolic links\n";
    sandbox.sh("echo | tmpx replace loop").expects(1, "", message);
}

#[test]
fn hard_links_are_reported() {
    let sandbox = with_file("old\n");
    fs::hard_link(sandbox.cwd().join("f"), sandbox.cwd().join("g")).unwrap();
    let note = "tmpx: f had 1 other hard link, which keeps the old content\n";
    sandbox.sh("echo new | tmpx replace f; cat f g").expects(0, "new\nold\n", note);
}

#[test]
fn an_unreplaceable_target_is_reported_before_input_is_read() {
    let sandbox = with_file("old\n");
    fs::create_dir(sandbox.cwd().join("d")).unwrap();
    for (path, why) in [
        ("d", "Is a directory"),
        (".", "Is a directory"),
        ("new/", "Is a directory"),
        ("nodir/x", "No such file or directory"),
        ("f/x", "Not a directory"),
    ] {
        let message = format!("tmpx: could not replace {path}: {why}\n");
        sandbox.sh(&format!("tmpx replace {path} <&-")).expects(1, "", &message);
        sandbox.sh(&format!("tmpx replace {path} -- touch ran")).expects(125, "", &message);
    }
    let message = "tmpx: could not read standard input: Bad file descriptor\n";
    sandbox.sh("tmpx replace f <&-").expects(1, "", message);
    assert_eq!(content(&sandbox), "old\n");
    assert_eq!(names(&sandbox.cwd()), ["d", "f"]);
}

#[test]
fn a_durable_replacement_is_synced_before_and_after_the_rename() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("old\n");
    let script = "echo new | strace -o ../trace -e fsync,rename,renameat,renameat2 \
                  tmpx replace --sync f; cut -d'(' -f1 ../trace | grep -v '^+'";
    sandbox.sh(script).expects(0, "fsync\nrenameat\nfsync\n", "");
    assert_eq!(content(&sandbox), "new\n");
}

#[test]
fn a_full_disk_is_named_and_the_target_unchanged() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "mkdir ../small; mount -t tmpfs -o size=1m small ../small; cd ../small; \
        echo old > f; cat /dev/zero | tmpx replace f; echo $?; \
        tmpx replace f -- cat /dev/zero; echo $?; \
        tmpx replace f -- sh -c 'trap \"\" PIPE; cat /dev/zero 2>&-; true'; echo $?; \
        cat /dev/zero | tmpx replace new; echo $?; \
        cat /dev/zero | tmpx replace -a f; echo $?; ls -A; cat f; \
        cp /dev/zero fill 2>/dev/null; echo more | tmpx replace f; echo $?; cat f";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    let ran = sandbox.command(command).run();
    assert_eq!(ran.stdout, "1\n125\n125\n1\n1\nf\nold\n1\nold\n", "{ran:?}");
    let message = |name| {
        format!(
            "tmpx: could not replace {name}, on the filesystem $ROOT/small: \
             No space left on device\n"
        )
    };
    let [f, new] = ["f", "new"].map(message);
    assert_eq!(ran.stderr, [&*f, &*f, &*f, &*new, &*f, &*f].concat());
}

#[test]
fn a_signal_before_the_end_of_input_leaves_only_the_old_file() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL, Signal::HUP] {
        let sandbox = with_file("old\n");
        let mut child = sandbox.tmpx(["replace", "f"]).spawn();
        child.stdin.as_mut().unwrap().write_all(&vec![b'x'; 2_000_000]).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(content(&sandbox), "old\n");
        assert_eq!(names(&sandbox.cwd()), ["f"]);
        sandbox.clean_up();
    }
}

#[test]
fn readers_see_the_old_or_the_new_content_whole() {
    let sandbox = with_file(&"a".repeat(100_000));
    let path = sandbox.cwd().join("f");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let text = fs::read(&path).unwrap();
                assert_eq!(text.len(), 100_000);
                assert!(text.iter().all(|byte| *byte == text[0]));
            }
        });
        for letter in ["b", "c"].into_iter().cycle().take(40) {
            sandbox.tmpx(["replace", "f"]).input(letter.repeat(100_000)).succeeds();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn the_report_has_the_outcome() {
    let sandbox = with_file("old\n");
    let report = |args: &str| {
        sandbox.sh(&format!("echo 12345 | tmpx replace f --report ../report {args}")).run();
        sandbox.plain(&fs::read_to_string(sandbox.root().join("report")).unwrap())
    };
    let path = "{\"path\":\"$ROOT/cwd/f\"";
    assert_eq!(report(""), format!("{path},\"bytes\":6,\"replaced\":true}}\n"));
    let failed = format!("{path},\"bytes\":0,\"replaced\":false,\"status\":1}}\n");
    assert_eq!(report("-- false"), failed);
    let empty = format!("{path},\"bytes\":0,\"replaced\":false}}\n");
    assert_eq!(report("--no-empty < /dev/null"), empty);
    // If it cannot be written, tmpx reports that before it reads input.
    let message = "tmpx: --report: could not replace /nodir/r: No such file or directory\n";
    sandbox.sh("tmpx replace f --report /nodir/r -- touch ran").expects(125, "", message);
    let message = "tmpx: --report: FILE and the report are the same file\n";
    sandbox.sh("tmpx replace f --report ../cwd/f -- touch ran").expects(2, "", message);
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}
