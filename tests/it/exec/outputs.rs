//! `tmpx exec --out`: saving results, and obstacles to that.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Instant;

use crate::support::sandbox::{KEPT, Ran, Sandbox, has, is_root, mode, names, skip_unless, words};
use crate::support::wait::wait_until;

/// The message about a workspace that is kept because a required pattern matches nothing.
const KEPT_FOR_A_DAY: &str = "tmpx: kept $ROOT/tmp/tmp.RANDOM for a day\n\
                              hint: remove it with: tmpx cleanup $ROOT/tmp/tmp.RANDOM\n";

fn exec(sandbox: &Sandbox, options: &str, script: &str) -> Ran {
    let args = words(&format!("exec {options} -- sh -c"));
    sandbox.tmpx(args.into_iter().chain([script.into()])).run()
}

#[test]
fn a_result_in_an_unreadable_directory_is_saved() {
    let sandbox = Sandbox::for_nobody();
    for (options, script, saved) in [
        ("--out-always *:got/", "echo precious > x; chmod 0300 .", "x"),
        (
            "--out **/*.txt:got/",
            "mkdir res; echo > res/a.txt; echo > b.txt; chmod 0300 res",
            "b.txt res",
        ),
        ("--out res/x:got/", "mkdir res; echo > res/x; chmod 0 res", "x"),
    ] {
        let args = words(&format!("exec {options} -- sh -c"));
        let run = sandbox.tmpx(args.into_iter().chain([script.into()])).by_nobody();
        run.expects(0, "", "");
        assert_eq!(names(&sandbox.cwd().join("got")).join(" "), saved, "{options}");
        fs::remove_dir_all(sandbox.cwd().join("got")).unwrap();
    }
}

#[test]
fn special_files_are_neither_saved_nor_replaced() {
    let sandbox = Sandbox::new();
    let ran = exec(&sandbox, "--out f", "mkfifo f");
    let message = format!("tmpx: f is neither file, directory nor symlink\n{KEPT}");
    assert_eq!((ran.status, ran.stderr), (Some(125), message));
    sandbox.clean_up();

    // Nobody named it, so it is skipped; a match is still required.
    let skipped = "tmpx: skipped f: it is neither file, directory nor symlink\n";
    let ran = exec(&sandbox, "--out *:got/", "mkfifo f; echo > x");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), skipped));
    assert_eq!(names(&sandbox.cwd().join("got")), ["x"]);
    let ran = exec(&sandbox, "--out d:got/", "mkdir d; mkfifo d/f; echo > d/y");
    assert_eq!((ran.status, ran.stderr), (Some(0), skipped.replace(" f:", " d/f:")));
    fs::remove_dir_all(sandbox.cwd().join("got")).unwrap();

    let fifo = sandbox.cwd().join("fifo");
    sandbox.sh("mkfifo fifo").succeeds();
    symlink("/proc/self/fd/1", sandbox.cwd().join("stdout")).unwrap();
    symlink("fifo", sandbox.cwd().join("link")).unwrap();
    for target in ["fifo", "stdout", "link"] {
        let ran = exec(&sandbox, &format!("--out x:{target}"), "echo > x");
        let message =
            format!("tmpx: could not save $ROOT/cwd/{target}: it is not a regular file\n{KEPT}");
        assert_eq!((ran.status, ran.stderr), (Some(125), message));
        sandbox.clean_up();
    }
    assert!(fs::metadata(fifo).unwrap().file_type().is_fifo());
    assert_eq!(names(&sandbox.cwd()), ["fifo", "link", "stdout"]);
}

#[test]
fn a_symlink_that_one_run_saved_is_not_followed_in_the_next() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("victim")).unwrap();
    let plant = format!("ln -s {} d", sandbox.cwd().join("victim").display());
    assert_eq!(exec(&sandbox, "--out *:results/", &plant).status, Some(0));
    let ran = exec(&sandbox, "--out *:results/", "mkdir d; echo > d/x");
    let message = format!(
        "tmpx: could not save $ROOT/cwd/results/d: $ROOT/cwd/results/d is not a directory\n{KEPT}"
    );
    assert_eq!((ran.status, ran.stderr), (Some(125), message));
    assert_eq!(names(&sandbox.cwd().join("victim")), Vec::<String>::new());
    sandbox.clean_up();
    // The directory that the user names may be a symlink.
    symlink("victim", sandbox.cwd().join("mine")).unwrap();
    assert_eq!(exec(&sandbox, "--out *:mine/", "mkdir d; echo > d/x").status, Some(0));
    assert_eq!(names(&sandbox.cwd().join("victim/d")), ["x"]);
}

#[test]
fn outputs_come_from_the_workspace_even_if_its_path_leads_elsewhere() {
    let sandbox = Sandbox::new();
    let secret = sandbox.root().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("shadow"), "secret").unwrap();
    let swap = format!(
        "echo mine > result; mv $TMPX_WORKSPACE $TMPDIR/../../moved; ln -s {} $TMPX_WORKSPACE",
        secret.display()
    );
    let ran = exec(&sandbox, "--out *:got/", &swap);
    assert_eq!(names(&sandbox.cwd().join("got")), ["result"], "{ran:?}");
    assert_eq!(fs::read(secret.join("shadow")).unwrap(), b"secret");
    sandbox.sh("rm -rf $TMPDIR/moved $TMPDIR/tmp.*").succeeds();
    sandbox.clean_up();
}

#[test]
fn a_process_left_running_cannot_redirect_a_save_out_of_the_workspace() {
    let sandbox = Sandbox::new();
    let secret = sandbox.root().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("f"), "secret").unwrap();
    let script = format!(
        "mkdir d e; echo plain > d/f; ln -s {} e/d; \
         while [ -e e ]; do mv d x; mv e/d d; mv d e/d; mv x d; done >/dev/null 2>&1 &",
        secret.display()
    );
    for _ in 0..20 {
        let ran = exec(&sandbox, "--out-always d/f:got/", &script);
        let pid = ran.stderr.lines().find_map(|line| {
            line.strip_prefix("tmpx: sh (")?
                .strip_suffix(") is still running; its workspace was removed")
        });
        if let Some(pid) = pid {
            sandbox.sh(&format!("kill -9 {pid}")).run();
        }
        let got = fs::read_to_string(sandbox.cwd().join("got/f")).unwrap_or_default();
        assert_ne!(got, "secret", "{ran:?}");
        sandbox.sh("rm -rf got").succeeds();
        // A command that the killed shell had started still has the lock for a moment.
        wait_until("the lease ends", || {
            sandbox.clean_up();
            sandbox.leases().is_empty()
        });
    }
    sandbox.sh("rm -rf $TMPDIR/*").succeeds();
}

#[test]
fn a_signal_interrupts_a_save_and_the_results_stay_in_the_workspace() {
    let sandbox = Sandbox::new();
    // A process left running signals tmpx once the first copy exists under its hidden name.
    let script = "for n in $(seq 5000); do echo > $n; done; (until set -- \"$OLDPWD\"/got/.tmpx.*; \
                  [ -e \"$1\" ]; do :; done; kill -TERM $PPID) >/dev/null 2>&1 &";
    let ran = exec(&sandbox, "--out *:got/", script);
    assert_eq!(ran.signal, Some(15), "{ran:?}");
    assert!(ran.stderr.contains(KEPT), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    let kept = sandbox.tmp().join(&sandbox.left()[0]);
    assert_eq!(names(&kept).len(), 5001);
    sandbox.clean_up();
}

#[test]
fn outputs_replace_existing_files_atomically() {
    let sandbox = Sandbox::new();
    let old = sandbox.cwd().join("result");
    fs::write(&old, "old and longer").unwrap();
    fs::hard_link(&old, sandbox.cwd().join("other-link")).unwrap();
    let script = "echo new > result; mkdir -p logs/deep; echo 1 > logs/a.log; echo 2 > logs/deep/b.log; \
                  chmod 640 result";
    let args =
        ["exec", "--out", "result", "--out", "logs/**/*.log:saved/", "--", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "", "");
    assert_eq!(fs::read_to_string(&old).unwrap(), "new\n");
    assert_eq!(mode(&old), 0o640);
    let other = fs::read_to_string(sandbox.cwd().join("other-link")).unwrap();
    assert_eq!(other, "old and longer", "the old file was replaced, not written into");
    assert_eq!(names(&sandbox.cwd()), ["other-link", "result", "saved"]);
    assert_eq!(fs::read_to_string(sandbox.cwd().join("saved/a.log")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(sandbox.cwd().join("saved/deep/b.log")).unwrap(), "2\n");
}

#[test]
fn a_wildcard_matches_only_new_files_and_a_name_matches_that_file() {
    let sandbox = Sandbox::new();
    for name in ["in.txt", "changed.txt"] {
        fs::write(sandbox.cwd().join(name), "input").unwrap();
    }
    fs::create_dir(sandbox.cwd().join("out")).unwrap();
    let run = |glob: &str| {
        let script = "echo new > new.txt; echo more >> changed.txt";
        let args = ["exec", "--in", "in.txt", "--in", "changed.txt", "--out", glob];
        sandbox.tmpx(args.into_iter().chain(["--", "sh", "-c", script])).succeeds();
        let saved = names(&sandbox.cwd().join("out"));
        fs::remove_dir_all(sandbox.cwd().join("out")).unwrap();
        saved
    };
    assert_eq!(run("*.txt:out"), ["changed.txt", "new.txt"]);
    assert_eq!(run("in.txt:out/"), ["in.txt"]);
}

#[test]
fn out_needs_success_and_a_match_and_out_always_neither() {
    let sandbox = Sandbox::new();
    let run = |option: &str, script: &str| {
        sandbox.tmpx(["exec", option, "made", "--", "sh", "-c", script]).run()
    };
    let ran = run("--out", "echo > made; exit 3");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(3), ""));
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    let ran = run("--out", ":");
    assert_eq!(ran.status, Some(125));
    assert_eq!(
        ran.stderr,
        format!(
            "tmpx: --out made: matches nothing that the command created; the workspace has no \
             files\nhint: --out-always allows no match\n{KEPT_FOR_A_DAY}"
        )
    );
    sandbox.clean_up();
    let ran = run("--out-always", "exit 4");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(4), ""));
    let ran = run("--out-always", "echo > made; kill -9 $$");
    assert_eq!(ran.signal, Some(9));
    assert_eq!(names(&sandbox.cwd()), ["made"]);
}

#[test]
fn a_symlink_is_saved_as_a_symlink() {
    let sandbox = Sandbox::new();
    let script = "ln -s /etc/passwd leak; mkdir d; ln -s /etc d/dir; echo > d/file";
    let args = ["exec", "--out", "leak", "--out", "d/**:d2", "--", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "", "");
    assert_eq!(fs::read_link(sandbox.cwd().join("leak")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::read_link(sandbox.cwd().join("d2/dir")).unwrap(), Path::new("/etc"));
    assert_eq!(names(&sandbox.cwd().join("d2")), ["dir", "file"]);
}

#[test]
fn if_one_output_cannot_be_saved_none_is_and_the_workspace_is_kept() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("b")).unwrap();
    let script = "echo 1 > a; echo 2 > c";
    let args = ["exec", "--out", "a", "--out", "c:b", "--", "sh", "-c", script];
    let ran = sandbox.tmpx(args).run();
    assert_eq!(ran.status, Some(125));
    assert_eq!(
        ran.stderr,
        "tmpx: could not save $ROOT/cwd/b: it is a directory\n\
         hint: write $ROOT/cwd/b/ to save into it\n\
         tmpx: kept $ROOT/tmp/tmp.RANDOM\n\
         hint: remove it with: tmpx cleanup $ROOT/tmp/tmp.RANDOM\n"
    );
    assert_eq!(names(&sandbox.cwd()), ["b"], "nothing is saved in part, nothing is left");
    assert_eq!(sandbox.left().len(), 1);
    sandbox.clean_up();
}

#[test]
fn sparse_files_stay_sparse() {
    use std::os::unix::fs::MetadataExt as _;
    let sandbox = Sandbox::new();
    sandbox.sh("truncate -s 50M holes; echo data >> holes; truncate -s 100M holes").succeeds();
    let args = ["exec", "--in", "holes", "--out", "holes:copy", "sh", "-c", "echo >> holes"];
    sandbox.tmpx(args).succeeds();
    let copy = fs::metadata(sandbox.cwd().join("copy")).unwrap();
    assert_eq!(copy.size(), 100 * 1024 * 1024 + 1);
    assert!(copy.blocks() * 512 < 1024 * 1024, "{} blocks", copy.blocks());
}

#[test]
fn a_failed_save_removes_the_directories_that_it_created() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("taken")).unwrap();
    let script = "mkdir -p a/b; echo x > a/b/x; echo y > y";
    let args = ["exec", "--out", "a/b/x:new/deep/", "--out", "y:taken", "--", "sh", "-c", script];
    let ran = sandbox.tmpx(args).run();
    assert_eq!(ran.status, Some(125), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), ["taken"]);
    sandbox.clean_up();
}

#[test]
fn results_are_kept_if_the_outputs_do_not_match_or_collide() {
    let commands = [
        ("--out good --out tpyo", "echo 1 > good", KEPT_FOR_A_DAY),
        ("--keep=on-failure --out tpyo", "echo 1 > good", KEPT),
        ("--out a/r:res/ --out b/r:res/", "mkdir a b; echo > a/r; echo > b/r", KEPT),
    ];
    for (outs, script, kept) in commands {
        let sandbox = Sandbox::new();
        let args = words(&format!("exec {outs} -- sh -c"));
        let ran = sandbox.tmpx(args.into_iter().chain([script.into()])).run();
        assert_eq!(ran.status, Some(125), "{ran:?}");
        assert!(ran.stderr.ends_with(kept), "{ran:?}");
        sandbox.clean_up();
    }
}

#[test]
fn an_unreadable_directory_does_not_prevent_saving_other_results() {
    let sandbox = Sandbox::for_nobody();
    let script = "echo 1 > good; mkdir -m 000 locked";
    let run =
        |out: &str| sandbox.tmpx(["exec", "--out", out, "sh", "-c", script]).by_nobody().run();
    let ran = run("good");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(names(&sandbox.cwd()), ["good"]);
    // It belongs to us, so tmpx grants itself access.
    let ran = run("locked");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(names(&sandbox.cwd()), ["good", "locked"]);
}

#[test]
fn many_outputs_are_saved_with_few_descriptors() {
    let sandbox = Sandbox::new();
    let script = "ulimit -n 64; tmpx exec --out '*.txt' -- sh -c 'for n in $(seq 200); do echo > $n.txt; done'";
    sandbox.sh(script).succeeds();
    assert_eq!(names(&sandbox.cwd()).len(), 200);
}

#[test]
fn a_result_whose_name_is_misspelled_is_named_and_kept_for_a_day() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("input"), "").unwrap();
    let script = "for n in 1 2 3 4 5 6; do echo $n > result$n; done";
    let ran = exec(&sandbox, "--in input --out reslut*", script);
    assert_eq!(ran.status, Some(125));
    let message = "tmpx: --out reslut*: matches nothing that the command created; the workspace has \
                   result1, result2, result3, result4, result5 and 2 more\n\
                   hint: --out-always allows no match\n";
    assert_eq!(ran.stderr, format!("{message}{KEPT_FOR_A_DAY}"));
    let kept = sandbox.tmp().join(&sandbox.left()[0]);
    assert_eq!(fs::read_to_string(kept.join("result6")).unwrap(), "6\n");
    // The lease lasts for a day: a cleanup keeps the workspace, and its state says how long.
    sandbox.tmpx(["cleanup"]).run();
    assert!(kept.join("result6").exists());
    sandbox.clean_up();
}

#[test]
fn the_day_for_which_a_workspace_is_kept_begins_when_the_command_has_ended() {
    let sandbox = Sandbox::new();
    let start = Instant::now();
    assert_eq!(exec(&sandbox, "--out nosuch", "sleep 1").status, Some(125));
    let left = sandbox.tmpx(["list", "--json"]).run().json()[0]["left_ms"].as_u64().unwrap();
    assert!(left <= 86_400_000, "{left}");
    // The command took a second of this time, and nothing of the day.
    let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap();
    assert!(left + elapsed >= 86_400_000 + 990, "{left} {elapsed}");
    sandbox.clean_up();
}

#[test]
fn the_exact_name_of_a_result_is_no_pattern() {
    let sandbox = Sandbox::new();
    let names = ["[slug].js", "a[1].txt", "{x}.txt", "a\\b", "x{", "[slug]/page.tsx", "*.c"];
    for name in names {
        let script = "mkdir -p \"$(dirname \"$0\")\"; echo precious > \"$0\"";
        sandbox.tmpx(["exec", "--out", name, "--", "sh", "-c", script, name]).expects(0, "", "");
        let saved = sandbox.cwd().join(Path::new(name).file_name().unwrap());
        assert_eq!(fs::read_to_string(saved).unwrap(), "precious\n", "{name}");
        let out = format!("{name}:as/new");
        sandbox.tmpx(["exec", "--out", &out, "--", "sh", "-c", script, name]).expects(0, "", "");
        let saved = sandbox.cwd().join("as/new");
        assert_eq!(fs::read_to_string(saved).unwrap(), "precious\n", "{out}");
    }
}

#[test]
fn patterns_that_are_not_utf_8_match() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    let arg = |bytes: &'static [u8]| std::ffi::OsStr::from_bytes(bytes);
    let script = arg(b"echo 1 > caf\xe9.txt; echo 2 > other.txt");
    for (pattern, count) in [(&b"caf\xe9*"[..], 1), (b"c?f\xe9.{txt,md}", 1), (b"*[\xe9r].txt", 2)]
    {
        let args = [arg(b"exec"), arg(b"--out"), arg(pattern), arg(b"sh"), arg(b"-c"), script];
        sandbox.tmpx(args).expects(0, "", "");
        assert_eq!(
            fs::read_dir(sandbox.cwd()).unwrap().count(),
            count,
            "{}",
            arg(pattern).display()
        );
        sandbox.sh("rm -f *").succeeds();
    }
}

/// Saves a, m and z under a target m that cannot be renamed over, and returns what the user sees, and
/// the content of the three files afterwards.
fn save_around_an_obstacle(sandbox: &Sandbox, prepare: &str, restore: &str) -> (String, String) {
    let script = format!(
        "echo old | tee a z >m; {prepare}; tmpx exec --out '*' -- sh -c 'echo new | tee a m >z'; \
         {restore}; tmpx cleanup --all --force -q; cat a m z | paste -sd' '"
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    let ran = sandbox.command(command).run();
    (ran.stderr, ran.stdout)
}

#[test]
fn nothing_is_saved_if_one_target_cannot_be_replaced() {
    if !skip_unless(is_root(), "root") || !has("chattr") || !has("unshare") {
        return;
    }
    let can = "touch probe; chattr +ai probe && chattr -ai probe; s=$?; rm probe; exit $s";
    if !skip_unless(Sandbox::new().sh(can).run().status == Some(0), "chattr +i") {
        return;
    }
    for (prepare, restore, why) in [
        (
            "chattr +i m",
            "chattr -i m",
            "it is immutable (chattr +i)\nhint: 'chattr -i' makes it changeable again\n",
        ),
        ("chattr +a m", "chattr -a m", "it is append-only (chattr +a)\nhint: '>>' appends to it\n"),
        (
            "echo old >x; mount --bind x m",
            "umount m; rm x",
            "it is a mount point\nhint: '>' writes into it\n",
        ),
    ] {
        let sandbox = Sandbox::new();
        let (stderr, files) = save_around_an_obstacle(&sandbox, prepare, restore);
        assert_eq!(stderr, format!("tmpx: could not save $ROOT/cwd/m: {why}{KEPT}"), "{prepare}");
        assert_eq!(files, "old old old\n", "{prepare}");
        assert_eq!(names(&sandbox.cwd()), ["a", "m", "z"], "{prepare}");
    }
}

#[test]
fn nothing_is_saved_if_a_target_in_a_sticky_directory_belongs_to_another_user() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let dir = sandbox.root().join("shared");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(dir.join("m"), "old\n").unwrap();
    let to = dir.to_str().unwrap();
    let script = "echo new | tee a m >z";
    let args = ["exec", "--out", &format!("*:{to}"), "--", "sh", "-c", script];
    let message = format!(
        "tmpx: could not save $ROOT/shared/m: sticky directory: only the owner may replace this file\n{KEPT}"
    );
    sandbox.tmpx(args).by_nobody().expects(125, "", &message);
    assert_eq!(names(&dir), ["m"]);
    sandbox.tmpx(["cleanup", "--all", "--force", "--quiet"]).by_nobody().succeeds();
}

#[test]
fn root_in_a_user_namespace_finds_out_first_that_a_file_belongs_to_a_user_without_a_number_there() {
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["-Ur", "true"]);
    let sandbox = Sandbox::new();
    let is_permitted =
        is_root() && has("unshare") && sandbox.command(unshare).run().status == Some(0);
    if !skip_unless(is_permitted, "root and user namespaces") {
        return;
    }
    let script = "chmod 755 ..; mkdir ../shared; echo old >../shared/m; chmod 1777 ../shared; \
                  chown -R daemon: ../shared; \
                  unshare -Ur tmpx exec --out '*:../shared' -- sh -c 'echo new | tee a m >z'";
    let message = format!(
        "tmpx: could not save $ROOT/cwd/../shared/m: sticky directory: only the owner may replace this file\n{KEPT}"
    );
    sandbox.sh(script).expects(125, "", &message);
    assert_eq!(names(&sandbox.root().join("shared")), ["m"]);
    sandbox.clean_up();
}

#[test]
fn a_rename_that_the_kernel_refuses_after_all_leaves_whole_files_and_the_workspace() {
    if !has("strace") {
        return;
    }
    for (n, files, saved) in [
        (1, "old old old", ""),
        (2, "new old old", "saved 1 of 3: "),
        (3, "new new old", "saved 2 of 3: "),
    ] {
        let sandbox = Sandbox::new();
        let script = format!(
            "echo old | tee a b >c; \
             strace -qq -o /dev/null -e inject=renameat:error=EPERM:when={n} \
             tmpx exec --out '*' -- sh -c 'echo new | tee a b >c'; cat a b c | paste -sd' '"
        );
        let name = ["a", "b", "c"][n - 1];
        let message = format!("could not save $ROOT/cwd/{name}: Operation not permitted\n");
        let message = format!("tmpx: {saved}{message}{KEPT}");
        sandbox.sh(&script).expects(0, &format!("{files}\n"), &message);
        assert_eq!(names(&sandbox.cwd()), ["a", "b", "c"], "nothing hidden stays");
        let kept = sandbox.tmp().join(&sandbox.left()[0]);
        assert_eq!(fs::read_to_string(kept.join("c")).unwrap(), "new\n");
        sandbox.clean_up();
    }
}
