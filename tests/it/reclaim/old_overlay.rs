//! Overlayfs on kernels that give no handles for comparison: only a mark identifies what tmpx created.

use crate::support::filesystems::{OVERLAY, replaced};
use crate::support::filter::shell_function;
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Ran, Sandbox, has};

/// The answers to `AT_HANDLE_FID` before Linux 6.5, which does not know it, and before Linux 6.6, where
/// overlayfs does not.
const ANSWERS: [i32; 2] = [libc::EINVAL, libc::EOPNOTSUPP];

/// Runs a script in which `old` is tmpx on such a kernel.
fn run(sandbox: &Sandbox, answer: i32, script: &str) -> Option<Ran> {
    if !has("python3") {
        return None;
    }
    let call = format!("{}@4&{}", libc::SYS_name_to_handle_at, libc::AT_HANDLE_FID);
    let filter = shell_function(sandbox);
    let script = format!("{filter} old() {{ filter {answer} '{call}' tmpx \"$@\"; }}; {script}");
    mounting(sandbox, OVERLAY, &[], &script)
}

/// Creates what each class of names and types needs.
const CREATE: &str = "mkdir -p m/private; old file -p m --name report.csv; old dir -p m --name work; touch m/work/f; \
                      old file -p m; touch $(old dir -p m/private)/f; old workspace -p m >/dev/null; \
                      sync; echo 2 >/proc/sys/vm/drop_caches; again; ";

#[test]
fn what_an_old_kernel_created_is_removed_by_its_mark_after_a_remount() {
    // The kernel may be a newer one by then.
    for cleaner in ["old", "tmpx"] {
        for answer in ANSWERS {
            let sandbox = Sandbox::new();
            let script = format!(
                "{CREATE} grep -ho 'made\":\\[\"[^\"]*' $TMPX_STATE_DIR/leases/* | sort -u; \
                 {cleaner} cleanup --all -q; ls m m/private; ls $TMPX_STATE_DIR/leases"
            );
            let Some(ran) = run(&sandbox, answer, &script) else { return };
            let left = ran.stdout.split_once("made\":[\"");
            let left = left.map(|(_, left)| left);
            assert_eq!(
                left,
                Some("W.m\nm:\nprivate\n\nm/private:\n"),
                "{cleaner} {answer} {ran:?}"
            );
            assert_eq!(ran.stderr, "", "{cleaner} {answer}");
        }
    }
}

#[test]
fn an_old_kernel_keeps_what_the_user_has_put_in_the_place() {
    for answer in ANSWERS {
        let sandbox = Sandbox::new();
        let script = "f=$(old file -p m --name report.csv); rm $f; echo thesis >$f; old cleanup --all; cat $f; \
                      f=$(old file -p m --name other.csv); echo thesis >m/new; mv m/new $f; again; \
                      old cleanup --all; cat $f";
        let Some(ran) = run(&sandbox, answer, script) else { return };
        let each = |name| replaced(name) + "tmpx: removed 0, kept 1 replaced\n";
        assert_eq!(ran.stdout, "thesis\n".repeat(2), "{answer} {ran:?}");
        assert_eq!(ran.stderr, ["report.csv", "other.csv"].map(each).concat(), "{answer}");
    }
}

#[test]
fn what_a_newer_kernel_created_is_removed_by_a_random_name_or_kept() {
    for answer in ANSWERS {
        let sandbox = Sandbox::new();
        let script = "tmpx file -p m --name report.csv; tmpx file -p m >/dev/null; \
                      touch $(tmpx dir -p m)/f; old cleanup --all; ls m; tmpx cleanup --all -q; ls m";
        let Some(ran) = run(&sandbox, answer, script) else { return };
        let kept =
            "tmpx: kept $ROOT/cwd/m/report.csv: nothing proves that it is the file tmpx created\n";
        let summary = "tmpx: removed 2 (4.0 KiB), kept 1 unproven\n";
        let hint = "hint: tmpx cleanup --force $ROOT/cwd/m/report.csv removes it all the same\n";
        assert_eq!(ran.stderr, format!("{kept}{summary}{hint}"), "{answer} {ran:?}");
        assert!(ran.stdout.ends_with("\nprivate\nreport.csv\nprivate\n"), "{answer} {ran:?}");
    }
}
