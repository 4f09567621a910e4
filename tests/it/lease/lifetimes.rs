//! When a lease ends. No reaper runs here; `tmpx cleanup` does the work.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless, words};

#[test]
fn until_exit_ends_with_the_named_process() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file --until-exit=$$); tmpx cleanup; ls $f";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n", "it lives as long as the script");
    assert_eq!(ran.stderr, "tmpx: removed 0, kept 1 live\n");
    sandbox.tmpx(["cleanup"]).expects(0, "$ROOT/tmp/tmp.RANDOM\n", "tmpx: removed 1 (0 B)\n");
}

#[test]
fn bare_until_exit_means_the_calling_script() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx dir --until-exit | cat); tmpx cleanup -q; ls -d $f";
    sandbox.sh(script).expects(0, "$ROOT/tmp/tmp.RANDOM\n", "");
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn tmpx_until_exit_covers_a_whole_script() {
    let sandbox = Sandbox::new();
    let script = "export TMPX_UNTIL_EXIT=$$; tmpx file; tmpx dir; tmpx workspace; kill -9 $$";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.signal, Some(9));
    assert_eq!(ran.stdout.lines().count(), 3);
    assert_eq!(sandbox.left().len(), 3);
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn keep_overrides_the_environment() {
    let sandbox = Sandbox::new();
    let script = "export TMPX_UNTIL_EXIT=$$ TMPX_TTL=0; tmpx file --keep --json";
    let created = sandbox.sh(script).succeeds().json();
    assert_eq!(created[0]["lifetime"], "manual");
    sandbox.tmpx(words("cleanup -q")).succeeds();
    assert_eq!(sandbox.left().len(), 1);
    sandbox.clean_up();
}

#[test]
fn a_process_that_is_dead_or_foreign_cannot_be_an_owner() {
    let sandbox = Sandbox::for_nobody();
    let dead = "sh -c : & wait $!; tmpx file --until-exit=$!";
    let ran = sandbox.sh(dead).run();
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.ends_with(": no such process\n"), "{ran:?}");
    if crate::support::sandbox::is_root() {
        let message = "tmpx: --until-exit=1: the process belongs to another user\n";
        sandbox.tmpx(words("file --until-exit=1")).by_nobody().expects(1, "", message);
    }
    sandbox.tmpx(words("file --until-exit=0")).expects(
        2,
        "",
        "tmpx: invalid value '0' for '--until-exit[=<PID>]': not a process ID\n",
    );
}

#[test]
fn a_variable_that_names_no_ancestor_means_manual_with_a_note() {
    let sandbox = Sandbox::new();
    for (stale, what) in
        [("4194304", "is not a running ancestor"), ("nonsense", "is not a process ID")]
    {
        let ran = sandbox.tmpx(words("file --json")).env("TMPX_UNTIL_EXIT", stale).run();
        assert_eq!(ran.status, Some(0));
        assert_eq!(ran.json()[0]["lifetime"], "manual");
        let note = format!("tmpx: TMPX_UNTIL_EXIT={stale} {what}; created without a lifetime\n");
        assert_eq!(ran.stderr, note);
    }
    sandbox.clean_up();
}

#[test]
fn a_ttl_ends_when_its_time_is_up() {
    let sandbox = Sandbox::new();
    let long = sandbox.tmpx(words("file --ttl 1h")).path();
    let short = sandbox.tmpx(words("file")).env("TMPX_TTL", "0").path();
    let ran = sandbox.tmpx(["cleanup"]).run();
    assert_eq!(ran.raw, format!("{}\n", short.display()));
    assert!(long.exists());
    sandbox.tmpx([Path::new("cleanup"), Path::new("-q"), &long]).succeeds();
}

#[test]
fn a_ttl_beyond_every_clock_lasts_for_ever() {
    let sandbox = Sandbox::new();
    for ttl in ["18446744073709551616", "999999999999999999999w"] {
        let file = sandbox.tmpx(["file", "--ttl", ttl]).path();
        sandbox.tmpx(words("cleanup -q")).succeeds();
        assert!(file.exists(), "{ttl}");
        assert_eq!(sandbox.tmpx(["list", "--json"]).run().json()[0]["state"], "timed", "{ttl}");
        sandbox.clean_up();
    }
}

#[test]
fn with_until_exit_and_ttl_the_first_end_counts() {
    let sandbox = Sandbox::new();
    let script = "tmpx file --until-exit=$$ --ttl 0; tmpx cleanup -q; ls $TMPDIR";
    sandbox.sh(script).expects(0, "$ROOT/tmp/tmp.RANDOM\n", "");
    sandbox.sh("tmpx file --until-exit=$$ --ttl 1h").succeeds();
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn a_live_resource_is_removed_only_by_its_own_script_and_only_by_path_or_session() {
    let sandbox = Sandbox::new();
    let own = "f=$(tmpx file --until-exit=$$); tmpx cleanup -q $f; ls $TMPDIR";
    sandbox.sh(own).expects(0, "", "");
    let own = "export TMPX_UNTIL_EXIT=$$ TMPX_SESSION=s; f=$(tmpx file) g=$(sh -c 'tmpx dir; :')
               tmpx cleanup -q --session s; ls $TMPDIR";
    sandbox.sh(own).expects(0, "", "");
    let other = "f=$(tmpx file --until-exit=$$); echo $f; read wait; :";
    let mut script = sandbox.sh(other).spawn();
    let mut path = String::new();
    BufReader::new(script.stdout.as_mut().unwrap()).read_line(&mut path).unwrap();
    let ran = sandbox.tmpx(["cleanup", path.trim_end()]).run();
    let expected = format!(
        "tmpx: kept $ROOT/tmp/tmp.RANDOM: live until sh ({}) exits\n\
         tmpx: removed 0, kept 1 live\n\
         hint: tmpx cleanup --force $ROOT/tmp/tmp.RANDOM removes what is live too\n",
        script.id()
    );
    assert_eq!((ran.status, ran.stderr), (Some(1), expected));
    drop(script.stdin.take());
    script.wait().unwrap();
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn a_bad_value_in_the_environment_is_a_usage_error_that_names_the_variable() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["file"]).env("TMPX_TTL", "soon").expects(
        2,
        "",
        "tmpx: TMPX_TTL=soon: not a duration such as 90 (seconds), 300ms, 15m, 1h30m, 2d or 1w\n",
    );
}

/// yash and ksh93 run the last command of a pipeline in the process that has started the others, which
/// then is the parent of tmpx.
#[test]
fn a_neighbor_in_a_pipeline_is_not_the_script() {
    for shell in ["yash", "ksh93", "bash", "dash", "zsh"] {
        if !has(shell) {
            continue;
        }
        for pipeline in [
            "f=$(echo a | tmpx file --until-exit --from - | cat)",
            "f=$(tmpx file --until-exit | cat)",
            "f=$(tmpx file --until-exit | tee log | cat)",
            "f=$(tmpx file --until-exit | cat | tee log | cat)",
            "{ tmpx file --until-exit | tee log; } >/dev/null & wait; f=$(cat log)",
            "f=$(tmpx file --until-exit)",
            "f=$(timeout 60 tmpx file --until-exit | cat)",
        ] {
            let sandbox = Sandbox::new();
            let script = format!("{pipeline}; tmpx cleanup -q; [ -e \"$f\" ] && echo there; exit");
            let ran = sandbox.shell(shell, &script).run();
            // Where ksh93 uses sockets, the script may have to say who it is.
            let refusal =
                "tmpx: could not find the calling script\nhint: name it: --until-exit=$$\n";
            let is_refused = shell == "ksh93" && ran.stderr.ends_with(refusal);
            assert!(ran.stdout == "there\n" || is_refused, "{shell}: {pipeline}: {ran:?}");
            sandbox.tmpx(["cleanup", "-q"]).succeeds();
            assert_eq!(sandbox.left().len(), 0, "{shell}: {pipeline}: the script has ended");
        }
    }
}

#[test]
fn a_neighbor_in_a_pipeline_that_hides_its_descriptors_is_not_the_script() {
    if !skip_unless(is_root(), "root") || !has("setpriv") || !has("yash") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    sandbox.sh("cp \"$(command -v tee)\" tee && chmod 4755 tee").succeeds();
    let refusal = "tmpx: could not find the calling script\nhint: name it: --until-exit=$$\n";
    for (shell, pipeline, is_known) in [
        ("yash", "tmpx file --until-exit | ./tee log", false),
        ("yash", "tmpx file --until-exit | ./tee log | cat", false),
        ("yash", "tmpx file --until-exit | cat | cat", true),
        ("dash", "tmpx file --until-exit | ./tee log | cat", true),
    ] {
        let script = format!("f=$({pipeline}); tmpx cleanup -q; [ -e \"$f\" ] && echo there; exit");
        let ran = sandbox.shell(shell, &script).by_nobody().run();
        let is_right = (ran.stdout.as_str(), ran.stderr.as_str()) == ("there\n", "");
        // A neighbor that has not called execve(2) yet is still the shell.
        let is_refused = (ran.stdout.as_str(), ran.stderr.as_str()) == ("", refusal);
        assert!(is_right || !is_known && is_refused, "{shell}: {pipeline}: {ran:?}");
        sandbox.tmpx(["cleanup", "-q"]).by_nobody().succeeds();
    }
}

/// A last command that has started a pipeline, of which the middle still holds its pipes under the numbers that
/// it got from its parent. It goes on when tmpx has ended.
const PIPELINE: &str = r#"
import os
first, second, ended = os.pipe(), os.pipe(), os.pipe()
for pipe in first, second, (ended[1],):
    for fd in pipe:
        os.set_inheritable(fd, True)
last = os.getpid()
if os.fork() == 0:
    os.dup2(first[1], 1)
    for fd in *first, *second:
        os.close(fd)
    wait = 'until [ "$(cat /proc/$0/comm)" = cat ]; do :; done; exec tmpx file --until-exit'
    os.execvp("sh", ["sh", "-c", wait, str(last)])
if os.fork() == 0:
    os.close(first[1]), os.close(second[0]), os.close(ended[1])
    os.read(ended[0], 1)
    os.dup2(first[0], 0)
    os.dup2(second[1], 1)
    os.execvp("cat", ["cat"])
os.dup2(second[0], 0)
for fd in *first, *second, *ended:
    os.close(fd)
os.execvp("cat", ["cat"])
"#;

#[test]
fn a_neighbor_may_still_have_to_find_its_place_in_the_pipeline() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script =
        "f=$(python3 -c \"$PIPELINE\"); tmpx cleanup -q; [ -e \"$f\" ] && echo there; exit";
    sandbox.sh(script).env("PIPELINE", PIPELINE).expects(0, "there\n", "");
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(sandbox.left().len(), 0, "the script has ended");
}

#[test]
fn a_script_that_reads_from_its_own_child_is_the_owner() {
    if !has("bash") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "while read -r line; do f=$(tmpx file --until-exit | cat); done < <(echo a); \
                  tmpx list --json; exit";
    let ran = sandbox.shell("bash", &format!("echo $$; {script}")).run();
    let owner = format!("\"owner\":{},", ran.stdout.lines().next().unwrap());
    assert!(ran.stdout.contains(&owner), "{ran:?}");
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}
