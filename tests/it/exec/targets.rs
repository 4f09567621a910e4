//! `tmpx exec --out`: results that cannot all have the names that they would get.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::namespaces::mounting;
use crate::support::sandbox::{KEPT, Sandbox, names, words};

/// Runs a command that creates the files `a` and `b`, and expects that tmpx fails with this message.
fn save_fails(sandbox: &Sandbox, options: &str, message: &str) {
    let args = words(&format!("exec {options} -- sh -c"));
    let run = sandbox.tmpx(args.into_iter().chain(["echo 1 >a; echo 2 >b".into()]));
    run.expects(125, "", &format!("tmpx: {message}\n{KEPT}"));
    sandbox.clean_up();
}

#[test]
fn two_results_with_one_target_are_refused_whatever_paths_lead_there() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.cwd().join("d/sub")).unwrap();
    symlink("d", sandbox.cwd().join("l")).unwrap();
    for (options, target, first) in [
        ("--out a:d/x --out b:l/x", "l/x", "d/x"),
        ("--out a:l/x --out b:d/x", "l/x", "d/x"),
        ("--out a:d/x --out b:d/sub/../x", "d/x", "d/sub/../x"),
        ("--out a:d/ --out b:l/a", "l/a", "d/a"),
        ("--out *:d/ --out b:l/a", "l/a", "d/a"),
    ] {
        let message =
            format!("could not save $ROOT/cwd/{target}: it is the same file as $ROOT/cwd/{first}");
        save_fails(&sandbox, options, &message);
        assert_eq!(names(&sandbox.cwd().join("d")), ["sub"], "{options}");
    }
    // One result may have two paths.
    let script = "tmpx exec --out '*:d' --out a:l/a -- sh -c 'echo 1 >a; echo 2 >b'; cat d/a d/b";
    sandbox.sh(script).expects(0, "1\n2\n", "");
    assert_eq!(names(&sandbox.cwd().join("d")), ["a", "b", "sub"]);
}

#[test]
fn results_that_only_the_pattern_matches_are_kept_if_a_file_has_its_very_name() {
    let sandbox = Sandbox::new();
    let script = "echo 1 >a; echo 2 >b; echo 3 >'*'; mkdir d; echo 4 >d/c";
    for (options, status, option, names_saved) in
        [("--out *", 0, "--out", "*"), ("--out-always *:got", 3, "--out-always", "got")]
    {
        let args = words(&format!("exec {options} -- sh -c"));
        let script = format!("{script}; exit {status}");
        let spec = options.split_once(' ').unwrap().1;
        let message = format!(
            "tmpx: {option} {spec}: saved the file of this name; as a pattern, this also matches a, b, d/c\n\
             tmpx: kept $ROOT/tmp/tmp.RANDOM for a day\n\
             hint: remove it with: tmpx cleanup $ROOT/tmp/tmp.RANDOM\n"
        );
        sandbox.tmpx(args.into_iter().chain([script.into()])).expects(status, "", &message);
        assert_eq!(names(&sandbox.cwd()), [names_saved]);
        let kept = sandbox.tmp().join(&sandbox.left()[0]);
        assert_eq!(fs::read_to_string(kept.join("d/c")).unwrap(), "4\n");
        sandbox.clean_up();
        fs::remove_file(sandbox.cwd().join(names_saved)).unwrap();
    }
    // Nothing is kept if everything is saved, and an input is no result.
    let all = format!(
        "tmpx exec --out '*' --out '[ab]' --out d -- sh -c '{}'",
        script.replace('\'', "\"")
    );
    sandbox.sh(&all).expects(0, "", "");
    let input = "touch x; tmpx exec --in x --out '*' -- sh -c 'echo 3 >\"*\"'";
    sandbox.sh(input).expects(0, "", "");
}

#[test]
fn a_target_that_ends_in_two_dots_is_a_directory() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("d")).unwrap();
    for target in ["d/..", "new/..", ".."] {
        let message = format!(
            "could not save $ROOT/cwd/{target}: it is a directory\n\
             hint: write $ROOT/cwd/{target}/ to save into it"
        );
        save_fails(&sandbox, &format!("--out a --out b:{target}"), &message);
        assert_eq!(names(&sandbox.cwd()), ["d"], "{target}");
    }
    let script =
        "tmpx exec --out a:d/../ --out b:d/.. -- sh -c 'echo 1 >a; mkdir b; echo 2 >b/c'; cat a c";
    sandbox.sh(script).expects(0, "1\n2\n", "");
}

#[test]
fn two_results_are_not_saved_under_names_that_differ_only_in_case_where_these_are_one() {
    let sandbox = Sandbox::new();
    let filesystem = "mkdir m; truncate -s 16M image; mkfs.ntfs -q -F -f image >/dev/null 2>&1; \
                      mount_it() { lowntfs-3g -o ignore_case,umask=077 image m; }";
    let script = "run() { tmpx exec --out '*:m' -- sh -c \"echo 1 >$1; echo 2 >$2\"; echo $?; cat m/$2; }; \
                  run A a; echo old >m/B; run B b; ls m; tmpx cleanup --all --force -q";
    let tools = ["mkfs.ntfs", "lowntfs-3g"];
    let Some(ran) = mounting(&sandbox, filesystem, &tools, script) else { return };
    assert_eq!(ran.stdout, "125\n1\n125\nold\na\nb\n", "{ran:?}");
    let message = |second, first| {
        format!(
            "could not save $ROOT/cwd/m/{second}: it is the same file as $ROOT/cwd/m/{first}\n{KEPT}"
        )
    };
    let (new, old) = (message("a", "A"), message("b", "B"));
    assert_eq!(ran.stderr, format!("tmpx: saved 1 of 2: {new}tmpx: {old}"));
}

#[test]
fn a_result_with_the_name_of_the_report_is_not_saved() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("d")).unwrap();
    fs::write(sandbox.cwd().join("f"), "").unwrap();
    symlink("d", sandbox.cwd().join("l")).unwrap();
    symlink("f", sandbox.cwd().join("to-f")).unwrap();
    for (options, target) in [
        ("--out a --report a", "a"),
        ("--out * --report b", "b"),
        ("--out a:l/ --report d/a", "l/a"),
        ("--out a:f --report to-f", "f"),
        ("--out a:to-f --report to-f", "to-f"),
    ] {
        let message = format!("could not save $ROOT/cwd/{target}: the report gets the same name");
        save_fails(&sandbox, options, &message);
        let report = fs::read_to_string(sandbox.cwd().join(target)).unwrap();
        assert!(report.starts_with("{\"command\":"), "{options}: {report}");
    }
    // The symlink is replaced, and the file that it led to is another one.
    let script = "tmpx exec --out a:to-f --report f -- sh -c 'echo 1 >a'; cat to-f; wc -l <f";
    sandbox.sh(script).expects(0, "1\n1\n", "");
}
