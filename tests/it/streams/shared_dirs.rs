//! `tmpx replace` and `tmpx spool` in directories that others can write to, and in bad luck.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::process::Command;

use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{NOBODY, Ran, Sandbox, has, is_root, mode, names, skip_unless};

/// Creates a sandbox whose working directory is like /tmp, with a file `mine` beside it.
fn like_tmp() -> Sandbox {
    let sandbox = Sandbox::for_nobody();
    chown(sandbox.cwd(), Some(0), Some(0)).unwrap();
    fs::set_permissions(sandbox.cwd(), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(sandbox.root().join("mine"), "mine\n").unwrap();
    sandbox
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.cwd().join(name)).unwrap()
}

#[test]
fn a_symlink_planted_in_tmp_is_not_followed() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = like_tmp();
    let link = sandbox.cwd().join("link");
    symlink("../mine", &link).unwrap();
    lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    // A symlink of ours that leads to it is refused too.
    symlink("link", sandbox.cwd().join("ours")).unwrap();
    let refused = |name| {
        format!(
            "tmpx: could not replace {name}: the symlink belongs to another user, \
             in a directory where anyone can create symlinks\n"
        )
    };
    sandbox.sh("tmpx replace link").expects(1, "", &refused("link"));
    sandbox.sh("tmpx replace ours -- touch ran").expects(125, "", &refused("ours"));
    sandbox.sh("true | tmpx spool --report link").expects(
        1,
        "",
        &refused("link").replace("tmpx: ", "tmpx: --report: "),
    );
    assert_eq!(read(&sandbox, "../mine"), "mine\n");
    assert_eq!(names(&sandbox.cwd()), ["link", "ours"]);
    // Its owner may follow it. In a directory that is not world-writable, all may.
    fs::set_permissions(sandbox.cwd(), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.sh("echo new | tmpx replace ours").expects(0, "", "");
    assert_eq!(read(&sandbox, "../mine"), "new\n");
    fs::set_permissions(sandbox.cwd(), fs::Permissions::from_mode(0o1777)).unwrap();
    let there = sandbox.home().join("there");
    symlink(&there, sandbox.cwd().join("theirs")).unwrap();
    lchown(sandbox.cwd().join("theirs"), Some(NOBODY), Some(NOBODY)).unwrap();
    let state = sandbox.root().join("home/other");
    let run = sandbox.sh("tmpx replace theirs").by_nobody().env("TMPX_STATE_DIR", state);
    run.input("x").expects(0, "", "");
    assert_eq!(fs::read_to_string(there).unwrap(), "x");
}

#[test]
fn a_file_planted_in_tmp_is_not_replaced() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = like_tmp();
    let path = sandbox.cwd().join("f");
    fs::write(&path, "theirs\n").unwrap();
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let message = "tmpx: could not replace f: it belongs to another user, \
                   in a directory where anyone can create files\n";
    sandbox.sh("tmpx replace f").expects(1, "", message);
    // Other users could not rename over it; tmpx reports that first.
    fs::set_permissions(sandbox.cwd(), fs::Permissions::from_mode(0o1775)).unwrap();
    chown(sandbox.cwd(), Some(0), Some(NOBODY)).unwrap();
    chown(&path, Some(NOBODY - 1), Some(NOBODY)).unwrap();
    let message = "tmpx: could not replace f: \
                   sticky directory: only the owner may replace this file\n";
    sandbox.sh("tmpx replace f -- touch ran").by_nobody().expects(125, "", message);
    assert_eq!(names(&sandbox.cwd()), ["f"]);
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    sandbox.sh("echo new | tmpx replace f").by_nobody().expects(0, "", "");
    assert_eq!(read(&sandbox, "f"), "new\n");
}

#[test]
fn a_file_planted_in_tmp_while_the_input_is_read_gets_nothing() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let message = "tmpx: could not replace f: it belongs to another user, \
                   in a directory where anyone can create files\n";
    let plant = "setpriv --reuid=65534 --regid=65534 --clear-groups \
                 sh -c 'umask 0; echo planted > f'";
    for (script, status) in [
        (format!("(sleep 0.3; {plant}; echo secret) | tmpx replace f"), 1),
        (format!("(sleep 0.3; {plant}; echo secret) | tmpx replace -a f"), 1),
        (format!("tmpx replace f -- sh -c '{}; echo secret'", plant.replace('\'', "'\\''")), 125),
    ] {
        let sandbox = like_tmp();
        sandbox.sh(&script).expects(status, "", message);
        assert_eq!(read(&sandbox, "f"), "planted\n", "{script}");
        assert_eq!(names(&sandbox.cwd()), ["f"]);
    }
}

/// The file of another user is there only between the look at the arguments and the end of the input.
#[test]
fn a_file_that_was_there_for_a_moment_passes_nothing_on() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let sandbox = like_tmp();
    // Opening a FIFO for writing returns as soon as tmpx or its command has opened it.
    let script = "as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \"$1\"; }; umask 077; \
        mkfifo in.txt goes; tmpx chunk in.txt --rows 1 -o out -- sh -c 'cat goes; cat' & \
        until [ \"$(cut -d' ' -f2,3 /proc/$!/stat)\" = '(tmpx) S' ]; do :; done; \
        as_nobody 'umask 0; : >out'; echo secret >in.txt; exec 8>goes; as_nobody 'rm out'; exec 8>&-; wait; stat -c '%u %a' out";
    sandbox.sh(script).expects(0, "0 600\n", "");
    assert_eq!(read(&sandbox, "out"), "secret\n");
}

#[test]
fn append_gives_a_file_of_ours_to_nobody_who_puts_it_in_the_place_of_the_target() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let script = "umask 077; mkdir team; chmod 777 team; echo KEY >team/private; echo a >team/log; \
        chown 65534 team/log; chmod 666 team/log; \
        (sleep 0.3; setpriv --reuid=65534 --regid=65534 --clear-groups mv -f team/private team/log; echo line) | \
        tmpx replace -a team/log; stat -c '%u %a' team/log; cat team/log; rm -r team";
    let message = "tmpx: could not replace team/log: other processes keep changing it\n";
    sandbox.sh(script).expects(0, "0 600\nKEY\n", message);
}

#[test]
fn a_file_that_appears_in_a_shared_directory_does_not_pass_on_its_owner_and_mode() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let sandbox = like_tmp();
    // Not sticky: the members of a group share it.
    fs::set_permissions(sandbox.cwd(), fs::Permissions::from_mode(0o777)).unwrap();
    let plant = "setpriv --reuid=65534 --regid=65534 --clear-groups \
                 sh -c 'umask 0; echo planted > f'";
    let script = format!("umask 077; (sleep 0.3; {plant}; echo secret) | tmpx replace f");
    sandbox.sh(&format!("{script}; stat -c '%u %g %a' f")).expects(0, "0 0 600\n", "");
    assert_eq!(read(&sandbox, "f"), "secret\n");
}

#[test]
fn open_files_of_a_process_are_no_targets() {
    let sandbox = Sandbox::new();
    let refused = |name: &str| {
        format!(
            "tmpx: could not replace {name}: it refers to a file that a process has open\n\
             hint: name a file; 'tmpx spool' writes to stdout\n"
        )
    };
    // A log on stdout would be replaced while other processes write to it.
    for name in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
        let script = format!("{{ echo one; echo two | tmpx replace {name}; }} >log; cat log");
        sandbox.sh(&script).expects(0, "one\n", &refused(name));
        sandbox.sh(&format!("tmpx replace {name} | cat")).expects(0, "", &refused(name));
    }
    // A removed file would reappear under a name that it never had.
    let script = "exec 5>gone; rm gone; tmpx replace /dev/fd/5";
    sandbox.sh(script).expects(1, "", &refused("/dev/fd/5"));
    assert_eq!(names(&sandbox.cwd()), ["log"]);
}

#[test]
fn a_target_that_rename_cannot_replace_is_reported_before_input_is_read() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    // As /etc/hosts in a container.
    let script = "echo old > f; echo > g; mount --bind g f; tmpx replace f -- touch ran; ls";
    let ran = with_mounts(&sandbox, script).unwrap();
    let message = "tmpx: could not replace f: it is a mount point\n\
                   hint: '>' writes into it\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("f\ng\n", message));
    let script = "mount --bind -o ro . .; cd .; tmpx replace f -- touch ran; ls";
    let ran = with_mounts(&sandbox, &script.replace("cd .", "cd $PWD")).unwrap();
    let message = "tmpx: could not replace f: Read-only file system\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("f\ng\n", message));
}

#[test]
fn an_append_only_file_is_not_replaced_and_nothing_stays_beside_it() {
    let sandbox = Sandbox::new();
    if !has("chattr") {
        return;
    }
    let can =
        sandbox.sh("touch probe; chattr +a probe && chattr -a probe; s=$?; rm probe; exit $s");
    if !skip_unless(can.run().status == Some(0), "chattr +a") {
        return;
    }
    let file = "it is append-only (chattr +a)\nhint: '>>' appends to it";
    let dir = "its directory is append-only (chattr +a)";
    let immutable = "it is immutable (chattr +i)\nhint: 'chattr -i' makes it changeable again";
    let immutable_dir = "Operation not permitted";
    let cases = [
        ("f", "+a f", "f", file),
        ("d", "+a d", "d/f", dir),
        ("d", "+a d", "d/new", dir),
        ("f", "+i f", "f", immutable),
        ("d", "+i d", "d/new", immutable_dir),
    ];
    for (what, flag, target, why) in cases {
        let script = format!(
            "mkdir d; touch f d/f; chattr {flag}; tmpx replace {target} -- touch ran; \
             chattr -a -i {what}; find . | sort; rm -r d f"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!(ran.stdout, ".\n./d\n./d/f\n./f\n", "{flag}, {target}: {ran:?}");
        assert!(ran.stderr.contains(&format!(": {why}\n")), "{flag}, {target}: {ran:?}");
    }
}

#[test]
fn a_path_with_a_trailing_slash_is_no_file() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("f"), "old\n").unwrap();
    symlink("made/", sandbox.cwd().join("link")).unwrap();
    symlink("f/.", sandbox.cwd().join("dot")).unwrap();
    for path in ["f/.", "f/", "link", "dot", "..", "/", "new/", "new/.."] {
        let message = format!("tmpx: could not replace {path}: Is a directory\n");
        sandbox.sh(&format!("tmpx replace {path}")).expects(1, "", &message);
    }
    assert_eq!(names(&sandbox.cwd()), ["dot", "f", "link"]);
    assert_eq!(read(&sandbox, "f"), "old\n");
}

#[test]
fn names_are_used_unchanged() {
    let sandbox = Sandbox::new();
    let long = "n".repeat(255);
    for name in ["./-", "./--append", "a\\nb", "  ", &long] {
        sandbox.tmpx(["replace", name]).input("new\n").expects(0, "", "");
        assert_eq!(read(&sandbox, name), "new\n");
        fs::remove_file(sandbox.cwd().join(name)).unwrap();
    }
    let message = format!("tmpx: could not replace {long}n: File name too long\n");
    sandbox.tmpx(["replace", &format!("{long}n")]).expects(1, "", &message);
}

/// Runs tmpx, stops it where this call on this file has returned, runs a script, and lets tmpx
/// continue.
fn meanwhile(sandbox: &Sandbox, args: &str, call: &str, on: &str, script: &str) -> Ran {
    let script = format!(
        "run() {{ strace -o ../trace -e trace={call} \"$@\" \
             sh -c 'echo $$ > ../pid; exec tmpx {args}' < /dev/null; }}; run; \
         n=$(grep ^{call}'(' ../trace | grep -n '{on}' | head -n 1 | cut -d: -f1); : > ../trace; \
         run -e inject={call}:signal=SIGSTOP:when=$n & \
         until grep -q 'stopped by SIGSTOP' ../trace; do :; done; \
         {script}; kill -CONT $(cat ../pid); wait $!"
    );
    sandbox.sh(&script).run()
}

#[test]
fn a_fifo_that_replaces_the_file_does_not_block_tmpx() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("f"), "old\n").unwrap();
    let swap = "rm f; mkfifo f";
    // After tmpx has examined the target and created the new file.
    let ran = meanwhile(&sandbox, "replace --append f", "openat", "O_TMPFILE", swap);
    let message = "tmpx: could not replace f: it is not a regular file\nhint: '>' writes into it\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(1), message));
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn the_mode_of_the_old_file_is_kept_even_if_it_is_removed_meanwhile() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("f"), "old\n").unwrap();
    fs::set_permissions(sandbox.cwd().join("f"), fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.sh("(sleep 0.3; rm f; echo new) | tmpx replace f").expects(0, "", "");
    assert_eq!((read(&sandbox, "f").as_str(), mode(sandbox.cwd().join("f"))), ("new\n", 0o640));
}

#[test]
fn a_new_file_stays_in_a_directory_that_is_moved_meanwhile() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("d")).unwrap();
    fs::write(sandbox.cwd().join("d/f"), "old\n").unwrap();
    let swap = "mv d moved; mkdir d; echo other > d/f";
    let ran = meanwhile(&sandbox, "replace d/f", "openat2", "/d\"", swap);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(read(&sandbox, "d/f"), "other\n");
    assert_eq!(read(&sandbox, "moved/f"), "");
    assert_eq!(names(&sandbox.cwd().join("d")), ["f"]);
    assert_eq!(names(&sandbox.cwd().join("moved")), ["f"]);
}

#[test]
fn a_standard_input_that_cannot_be_opened_again_is_copied() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let secret = sandbox.root().join("secret");
    fs::write(&secret, "text").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for how in ["< ../secret", "<> ../secret"] {
        for script in ["tmpx spool -- cat {}", "tmpx spool -- cat", "tmpx spool"] {
            let mut command = Command::new("sh");
            let script = format!("exec {how}; setpriv --reuid=65534 --clear-groups {script}");
            command.args(["-c", &script]);
            sandbox.command(command).expects(0, "text", "");
        }
    }
}

#[test]
fn an_interrupt_while_the_path_is_created_is_not_lost() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in"), "x".repeat(1000)).unwrap();
    // strace sends it as the terminal would, from the kernel, but only to tmpx.
    let strace = "strace -qq -o /dev/null -e inject=sendfile:signal=SIGINT:when=1";
    for (before, args) in [
        ("exec < in; rm in", "spool -- touch ran {}"),
        ("cat in > ../in; exec < ../in; rm ../in", "spool -- touch ran {}"),
    ] {
        let script = format!("cp in ../keep; {before}; exec {strace} tmpx {args}");
        let ran = sandbox.sh(&script).run();
        assert_eq!((ran.signal, ran.stderr.as_str()), (Some(2), "tmpx: interrupted\n"), "{ran:?}");
        fs::rename(sandbox.root().join("keep"), sandbox.cwd().join("in")).unwrap();
        assert_eq!(names(&sandbox.cwd()), ["in"]);
        assert_eq!(sandbox.left(), Vec::<String>::new());
    }
}

#[test]
fn the_full_filesystem_is_named_whichever_it_is() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let small =
        "mkdir ../small; mount -t tmpfs -o size=1m,nr_inodes=NR small ../small; cd ../small";
    let run = |inodes: &str, script: &str| {
        let script = format!("{}; {script}", small.replace("NR", inodes));
        let ran = with_mounts(&sandbox, &script).unwrap();
        fs::remove_dir(sandbox.root().join("small")).unwrap();
        (ran.stdout, ran.stderr)
    };
    let message = |act: &str| format!("tmpx: {act}: No space left on device\n");
    let zeros = "head -c 3000000 /dev/zero";
    let script = format!("{zeros} | tmpx spool > out; echo $?; {zeros} | tmpx spool >> out");
    let act = message("could not write to stdout, on the filesystem $ROOT/small");
    assert_eq!(run("100", &script), ("1\n".to_owned(), act.repeat(2)));
    let script = format!("exec 5> gone; rm gone; {zeros} | tmpx spool >&5; echo $?");
    assert_eq!(run("100", &script), ("1\n".to_owned(), act.clone()));
    let script = format!("{zeros} > ../in; tmpx spool < ../in > out; echo $?; rm ../in");
    assert_eq!(run("100", &script), ("1\n".to_owned(), act));
    let script = format!("{zeros} | tmpx file -p . --from -; echo $?; ls");
    let act = "could not create file in $ROOT/small, on the filesystem $ROOT/small";
    let copying = message(&format!("{act}: could not copy standard input"));
    assert_eq!(run("100", &script), ("1\n".to_owned(), copying));
    // The filesystem has room for content, but not for another file.
    let fill = "i=0; while touch $i; do i=$((i+1)); done 2>/dev/null";
    let script = format!("{fill}; echo | tmpx spool --max-size 0 -p .; echo $?");
    assert_eq!(run("8", &script), ("1\n".to_owned(), message(act)));
    let script = format!("{fill}; echo | tmpx replace 0; echo $?; wc -c < 0");
    let replacing = message(&format!("could not replace 0: {act}"));
    assert_eq!(run("8", &script), ("1\n0\n".to_owned(), replacing));
}

#[test]
fn an_exhausted_quota_counts_as_a_full_disk() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("f"), "old\n").unwrap();
    let strace = "strace -qq -o /dev/null -e inject=CALL:error=EDQUOT";
    for (call, command) in [
        ("splice:when=1", "tmpx replace f"),
        ("linkat:when=2", "tmpx replace f"), // the first finds out whether files can be linked
        ("write:when=1", "tmpx spool --max-size 0"),
        ("write:when=1", "tmpx spool > g"),
    ] {
        let strace = strace.replace("CALL", call);
        let ran = sandbox.sh(&format!("echo new | {strace} {command}; rm -f g")).run();
        let (message, why) = ran.stderr.rsplit_once(": ").unwrap();
        assert!(message.contains(", on the filesystem /"), "{call}, {command}: {ran:?}");
        assert_eq!(why, "Disk quota exceeded\n");
        assert_eq!((read(&sandbox, "f").as_str(), names(&sandbox.cwd()).len()), ("old\n", 1));
    }
}

#[test]
fn a_file_size_limit_is_reported_and_the_target_is_unchanged() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("f"), "old\n").unwrap();
    let zeros = "head -c 1000000 /dev/zero";
    let spooled = "could not write to a file in $ROOT/tmp";
    for (command, act) in [
        ("tmpx replace f".to_owned(), "could not replace f"),
        (format!("tmpx replace f -- {zeros}"), "could not replace f"),
        ("tmpx spool --max-size 0".to_owned(), spooled),
        ("tmpx spool -- cat {}".to_owned(), spooled),
    ] {
        let script = format!("ulimit -f 4; {zeros} | {{ exec {command}; }}");
        let status = if command.contains(" -- ") { 125 } else { 1 };
        let hint = "hint: 'ulimit -f' prints the limit on the size of files";
        let message = format!("tmpx: {act}: File too large\n{hint}\n");
        for before in ["", "trap '' XFSZ; "] {
            sandbox.sh(&format!("{before}{script}")).expects(status, "", &message);
        }
        assert_eq!((read(&sandbox, "f").as_str(), names(&sandbox.cwd()).len()), ("old\n", 1));
    }
}

#[test]
fn a_leased_file_can_be_replaced_and_is_still_cleaned_up() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file) w=$(tmpx workspace) && echo new | tmpx replace $f && \
        tmpx replace $w/inner -- cat $f && cat $w/inner && tmpx cleanup --all -q";
    sandbox.sh(script).expects(0, "new\n", "");
}

#[test]
fn integrity_attributes_of_the_old_content_are_dropped() {
    if !skip_unless(is_root(), "root") || !has("setfattr") {
        return;
    }
    let sandbox = Sandbox::new();
    let set = "echo old > f; setfattr -n user.kept -v yes f; setfattr -n security.ima -v hash f";
    if !skip_unless(sandbox.sh(set).run().status == Some(0), "leave to set security.ima") {
        return;
    }
    let script = "echo new | tmpx replace f; getfattr -m - -d f | grep =";
    sandbox.sh(script).expects(0, "user.kept=\"yes\"\n", "");
}

#[test]
fn the_file_of_a_placeholder_is_created_in_the_directory_that_tmpx_has_created() {
    if !has("strace") {
        return;
    }
    for args in ["spool -- true {}", "replace f -- true {}"] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.cwd().join("f"), "old\n").unwrap();
        fs::create_dir(sandbox.root().join("other")).unwrap();
        // When the lease of the directory is committed, a symlink takes its place.
        let swap = "d=$(ls -d ../tmp/tmp.*); mv $d ../moved; ln -s $PWD/../other $d";
        let ran = meanwhile(&sandbox, args, "pwrite64", "", swap);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert_eq!(names(&sandbox.root().join("other")), [""; 0], "{args}");
        assert_eq!(names(&sandbox.root().join("moved")).len(), 1, "{args}");
        sandbox.sh("rm ../tmp/tmp.*; rm -rf ../moved; tmpx cleanup -q --all").succeeds();
    }
}

/// Where the kernel protects symlinks (`fs.protected_symlinks`), it refuses them with the same error. The tests
/// of `fs::resolve` show that tmpx does not rely on that.
#[test]
fn a_symlink_planted_in_tmp_leads_to_no_directory_either() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = like_tmp();
    fs::create_dir(sandbox.root().join("private")).unwrap();
    symlink("../private", sandbox.cwd().join("link")).unwrap();
    symlink("link", sandbox.cwd().join("ours")).unwrap();
    lchown(sandbox.cwd().join("link"), Some(NOBODY), Some(NOBODY)).unwrap();
    for name in ["link", "ours"] {
        let message = format!("tmpx: could not create file in {name}: Permission denied\n");
        sandbox.tmpx(["file", "-p", name]).expects(1, "", &message);
        let message = format!("tmpx: could not replace {name}/f: Permission denied\n");
        sandbox.sh(&format!("echo x | tmpx replace {name}/f")).expects(1, "", &message);
        let ran = sandbox.tmpx(["exec", "--out", &format!("f:{name}/"), "--", "touch", "f"]).run();
        assert_eq!(ran.status, Some(125), "{ran:?}");
        assert!(ran.stderr.contains("Permission denied"), "{ran:?}");
    }
    assert_eq!(names(&sandbox.root().join("private")), [""; 0]);
    sandbox.clean_up();
    // Our own symlinks are followed.
    symlink("../private", sandbox.cwd().join("mine")).unwrap();
    sandbox.tmpx(["exec", "--out", "f:mine/", "--", "touch", "f"]).succeeds();
    assert_eq!(names(&sandbox.root().join("private")), ["f"]);
}
