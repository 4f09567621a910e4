//! Roots without /proc and /dev, such as chroots, initial RAM disks and build sandboxes.

use crate::support::filter::filter_in;
use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{NOBODY, Sandbox, has, skip_unless};

/// Hides /proc and /dev, and runs a script.
fn run(sandbox: &Sandbox, script: &str) -> Option<crate::support::sandbox::Ran> {
    let hide = "umount -l /proc && mount -t tmpfs tmpfs /dev || exit 9; ";
    let ran = with_mounts(sandbox, &format!("{hide}{script}"))?;
    skip_unless(ran.status != Some(9), "permission to unmount /proc").then_some(ran)
}

#[test]
fn without_proc_and_dev_what_can_work_works() {
    let sandbox = Sandbox::new();
    let script = "echo old >target; echo new | tmpx replace target && cat target; \\
                  echo a | tmpx spool -- cat; echo bb | tmpx spool --max-size 1 -- cat {}; \\
                  tmpx exec --out made -- sh -c 'echo made >made'; cat made; \\
                  f=$(tmpx file --name n) && d=$(tmpx dir) && mkdir $d/x && tmpx workspace && \\
                  tmpx gettempdir && tmpx list | wc -l && tmpx cleanup -q --all; ls -A $TMPDIR";
    let Some(ran) = run(&sandbox, script) else { return };
    let stdout = "new\na\nbb\nmade\n$ROOT/tmp/tmp.RANDOM\n$ROOT/tmp\n3\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (stdout, ""), "{ran:?}");
    sandbox.clean_up();
}

#[test]
fn without_proc_an_ordinary_user_replaces_files_on_kernels_before_6_10() {
    let sandbox = Sandbox::for_nobody();
    if !["python3", "setpriv"].into_iter().all(has) {
        return;
    }
    // There, linkat(2) of a descriptor needs CAP_DAC_READ_SEARCH.
    let link = format!("{}@4&{}", libc::SYS_linkat, libc::AT_EMPTY_PATH);
    let script = format!(
        "setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {} {} '{link}' sh -c '{}'",
        filter_in(&sandbox),
        libc::ENOENT,
        "echo old >target; echo new | tmpx replace target; echo more | tmpx replace --append target; \
         cat target; tmpx exec --report report -- true; grep -c exit report; \
         echo a | tmpx spool --max-size 1 --suffix .c -- cat {}; \
         for n in 1 2; do tmpx cache run -- sh -c \"echo x >>runs; cat runs\"; done; ls -A; ls -A $TMPDIR"
    );
    let Some(ran) = run(&sandbox, &script) else { return };
    let stdout = "new\nmore\n1\na\nx\nx\nreport\nruns\ntarget\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (stdout, ""), "{ran:?}");
}

#[test]
fn root_creates_no_var_for_its_store() {
    let sandbox = Sandbox::new();
    // The programs of this system, and neither /var nor a home.
    let script = "r=$PWD/root; mkdir $r && mount -t tmpfs tmpfs $r && mkdir -m 1777 $r/tmp || exit 9
                  for dir in /bin /lib* /sbin /usr; do
                      if [ -L $dir ]; then cp -P $dir $r; else mkdir $r$dir && mount --bind $dir $r$dir; fi
                  done
                  cp $(readlink -f $(command -v tmpx)) $r/usr-tmpx
                  in_root() { env -i TMPX_REAPER=0 $(command -v chroot) $r /usr-tmpx \"$@\"; }
                  in_root file; in_root list | wc -l; ls -A $r/tmp; in_root cleanup -q --all; ls -A $r/tmp
                  for dir in $r/*; do [ -e /${dir##*/} ] || echo ${dir##*/}; done; [ ! -e $r/var ] || stat $r/var
                  umount -R $r";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    if !skip_unless(ran.status != Some(9), "permission to mount a tmpfs") {
        return;
    }
    let store = ".tmpx-0\n";
    let stdout = format!("/tmp/tmp.RANDOM\n1\n{store}tmp.RANDOM\n{store}usr-tmpx\n");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (stdout.as_str(), ""), "{ran:?}");
}

#[test]
fn without_proc_a_process_that_cannot_be_watched_is_no_missing_process() {
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, "tmpx file --until-exit=$$; tmpx file --until-exit") else {
        return;
    };
    let why = "could not watch the process: /proc does not show it\n\
               hint: mount /proc, or give a time to live: --ttl 1h\n";
    assert_eq!(ran.stderr, format!("tmpx: {why}tmpx: {why}"), "{ran:?}");
}

#[test]
fn the_reaper_starts_without_proc_and_dev() {
    let sandbox = Sandbox::new();
    let script = "export TMPX_REAPER=1; f=$(tmpx file --ttl 20ms 2>&1); n=0; \\
                  while [ -e $f ] && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.02; done; \\
                  [ ! -e $f ] && echo removed";
    let Some(ran) = run(&sandbox, script) else { return };
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("removed\n", ""), "{ran:?}");
}

#[test]
fn a_closed_stdout_is_no_other_file_even_without_dev_null() {
    let sandbox = Sandbox::new();
    let script = "for closed in '>&-' '<&- >&-'; do eval \"tmpx file $closed\"; echo $?; done; \
                  eval 'tmpx exec true <&- >&- 2>&-'; echo $?; ls -A $TMPDIR";
    let Some(ran) = run(&sandbox, script) else { return };
    let message = "tmpx: could not write to stdout: Bad file descriptor\n";
    let expected = ("1\n1\n0\n", message.repeat(2));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (expected.0, &*expected.1), "{ran:?}");
    sandbox.clean_up();
}

#[test]
fn commands_on_chunks_and_kept_outputs_need_neither_proc_nor_dev() {
    let sandbox = Sandbox::new();
    let script = "for n in 1 2; do tmpx cache run -- sh -c 'cat; echo x >>runs; echo out'; done; \
                  for n in 1 2; do echo in | tmpx cache run --key-stdin cat; done; \
                  tmpx cache run --stale 0 wc -l runs; echo x >>runs; tmpx cache run --stale 0 wc -l runs; \
                  until [ \"$(tmpx cache run wc -l runs)\" = '2 runs' ]; do :; done; \
                  seq 3 >in.txt; tmpx chunk --rows 2 in.txt -- wc -l {}; tmpx chunk in.txt -- cat";
    let Some(ran) = run(&sandbox, script) else { return };
    assert!(ran.stderr.is_empty(), "{ran:?}");
    let lines: Vec<&str> =
        ran.stdout.lines().map(|line| line.split(" $").next().unwrap()).collect();
    let expected = ["out", "out", "in", "in", "1 runs", "1 runs", "2", "1", "1", "2", "3"];
    assert_eq!(lines, expected, "{ran:?}");
}

#[test]
fn a_kernel_without_the_locks_of_leases_is_named() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let strace = "strace -qq -o /dev/null -e inject=fcntl:error=EINVAL";
    let ran = sandbox.sh(&format!("{strace} tmpx file")).run();
    let stderr = sandbox.plain(&ran.stderr);
    assert_eq!(
        (ran.status, ran.stdout.as_str(), stderr.as_str()),
        (
            Some(1),
            "",
            "tmpx: could not write to the state directory $ROOT/home/state: \
             this kernel has no open file description locks (Linux 3.15 has)\n"
        )
    );
    sandbox.clean_up();
}
