//! `tmpx cleanup` removes what it can prove to be its own, and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use crate::support::sandbox::{NOBODY, Sandbox, has, is_root, skip_unless, words};

/// The reason for keeping another file under the name of ours.
const REPLACED: &str = "no longer the file tmpx created (rewritten by sed -i or mv?)";

#[test]
fn a_foreign_path_is_never_removed() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::write(&precious, "").unwrap();
    fs::create_dir(sandbox.cwd().join("a dir")).unwrap();
    fs::write(sandbox.cwd().join("-f"), "").unwrap();
    // No hint says how to remove what may be a mistake.
    for path in ["precious", "a dir", "-f", "/", "..", ".", "../home", "/etc"] {
        let ran = sandbox.tmpx(["cleanup", "--force", "--", path]).run();
        let line = format!("tmpx: could not remove {path}: no lease of this user covers it\n");
        assert_eq!(ran.stderr, line + "tmpx: removed 0\n");
    }
    assert!(precious.exists());
}

#[test]
fn a_resource_that_was_edited_or_replaced_in_place_is_still_ours() {
    let edits = [
        "f=$(tmpx file); echo a > $f; sed -i s/a/b/ $f",
        "f=$(tmpx file); echo a > new; mv new $f",
        "f=$(tmpx file); cp /etc/passwd $f",
        "f=$(tmpx file); rm $f; echo again > $f",
        "f=$(tmpx file); git config -f $f a.b c",
        "d=$(tmpx dir); rm -rf $d; mkdir $d; echo a > $d/b",
        "d=$(tmpx dir); mkdir $d/a; chmod 555 $d/a $d",
    ];
    for edit in edits {
        if edit.contains("git") && !has("git") {
            continue;
        }
        let sandbox = Sandbox::new();
        sandbox.sh(edit).succeeds();
        assert_eq!(sandbox.left().len(), 1, "{edit}");
        sandbox.tmpx(words("cleanup --all -q")).succeeds();
        assert_eq!(sandbox.left(), Vec::<String>::new(), "{edit}");
    }
}

#[test]
fn a_resource_with_another_owner_is_still_ours_by_identity() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::new();
    chown(sandbox.file(), Some(NOBODY), None).unwrap();
    chown(sandbox.dir(), Some(NOBODY), None).unwrap();
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn a_moved_resource_is_kept_and_its_lease_ends() {
    let sandbox = Sandbox::new();
    for script in ["mv $(tmpx file) moved-file", "mv $(tmpx dir) moved-dir"] {
        sandbox.sh(script).succeeds();
    }
    // The second run may have pruned the lease of the first one.
    assert!((1..=2).contains(&sandbox.leases().len()));
    sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
    assert_eq!(crate::support::sandbox::names(&sandbox.cwd()), ["moved-dir", "moved-file"]);
}

#[test]
fn an_entry_of_another_type_is_kept_and_reported() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let link = sandbox.dir();
    fs::remove_dir(&link).unwrap();
    symlink(&precious, &link).unwrap();
    let message = "tmpx: kept $ROOT/tmp/tmp.RANDOM: no longer the directory tmpx created; \
                   remove it with rm -r\n\
                   tmpx: removed 0, kept 1 replaced\n";
    sandbox.tmpx(words("cleanup --all")).expects(0, "", message);
    fs::remove_file(&link).unwrap();
    fs::write(&link, "a file where a directory was").unwrap();
    sandbox.tmpx(words("cleanup --all")).expects(0, "", message);
    assert!(precious.join("canary").exists());
    fs::remove_file(&link).unwrap();
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

#[test]
fn another_file_under_a_guessable_name_is_kept() {
    let sandbox = Sandbox::new();
    for args in ["file --name report.csv", "file -p . rep.XXX"] {
        let path = sandbox.tmpx(words(args)).path();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "of another user").unwrap();
        let ran = sandbox.tmpx(words("cleanup --all")).run();
        assert!(ran.stderr.contains(REPLACED), "{ran:?}");
        assert!(path.exists(), "{args}");
        fs::remove_file(path).unwrap();
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
    }
}

#[test]
fn a_resource_created_through_a_symlink_is_removed_by_its_real_path() {
    let sandbox = Sandbox::new();
    for dir in ["one", "two"] {
        fs::create_dir(sandbox.cwd().join(dir)).unwrap();
    }
    symlink("one", sandbox.cwd().join("current")).unwrap();
    let path = sandbox.tmpx(words("file -p current")).path();
    assert_eq!(path.parent().unwrap(), sandbox.cwd().join("current"));
    fs::remove_file(sandbox.cwd().join("current")).unwrap();
    symlink("two", sandbox.cwd().join("current")).unwrap();
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
    assert_eq!(crate::support::sandbox::names(&sandbox.cwd().join("one")), Vec::<String>::new());
}

#[test]
fn a_parent_that_became_a_symlink_is_not_followed() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("work")).unwrap();
    let path = sandbox.tmpx(words("file -p work --name a")).path();
    fs::rename(sandbox.cwd().join("work"), sandbox.cwd().join("moved")).unwrap();
    symlink("moved", sandbox.cwd().join("work")).unwrap();
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    assert!(ran.stderr.contains("kept 1 out of sight"), "{ran:?}");
    assert!(path.exists());
    fs::remove_file(sandbox.cwd().join("work")).unwrap();
    fs::rename(sandbox.cwd().join("moved"), sandbox.cwd().join("work")).unwrap();
    sandbox.clean_up();
}

#[test]
fn a_directory_that_others_could_have_moved_there_is_no_replacement() {
    let sandbox = Sandbox::new();
    let sticky = sandbox.cwd().join("sticky");
    fs::create_dir(&sticky).unwrap();
    fs::set_permissions(&sticky, fs::Permissions::from_mode(0o1777)).unwrap();
    for (mode, stays) in [(0o755, false), (0o775, true)] {
        let dir = sandbox.tmpx(words("dir -p sticky --ttl 0")).path();
        fs::remove_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        sandbox.tmpx(["cleanup"]).run();
        assert_eq!(dir.exists(), stays, "{mode:o}");
    }
    fs::remove_dir_all(&sticky).unwrap();
    sandbox.clean_up();
}

#[test]
fn a_guessable_name_that_another_file_has_ends_the_lease() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file --name report.csv --ttl 0); echo mine > new; mv new $f; \
                  tmpx cleanup; tmpx cleanup; cat $f; rm $f";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "mine\n", "{ran:?}");
    assert_eq!(ran.stderr.matches(REPLACED).count(), 1, "{ran:?}");
}
