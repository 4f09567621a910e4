//! Tests of copying trees, with other processes at work in the source.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode};

use crate::fs::copy::skipped::Skipped;
use crate::fs::copy::walk::{CopyOptions, tree};
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// A source tree, a directory to copy into, and files of another user.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new(files: &[&str]) -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        for file in files.iter().map(|file| scene.path(file)) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "content").unwrap();
        }
        fs::create_dir_all(scene.path("copies")).unwrap();
        scene
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Copies, and returns the messages about skipped entries.
    fn copy(&self, check_interrupt: &dyn Fn()) -> Result<Vec<String>, String> {
        let to = File::open(self.path("copies")).unwrap();
        let check_interrupt = || {
            check_interrupt();
            Ok(())
        };
        let options =
            CopyOptions { check_interrupt: &check_interrupt, progress: None, exclude: (0, 0) };
        let mut skipped = Skipped::default();
        let copied = tree(&self.path("src"), to, OsStr::new("src"), options, &mut skipped);
        let plain = |text: String| text.replace(&format!("{}/", self.0.path().display()), "");
        copied.map_err(|err| plain(format!("{err:#}")))?;
        Ok(skipped.lines().map(plain).collect())
    }

    /// Copies, and swaps an entry of the source for a symlink once the walk has read its type.
    fn copy_and_swap(&self, entry: &str, for_link_to: &str) -> Result<Vec<String>, String> {
        self.copy(&|| {
            if !self.path("moved").exists() {
                fs::rename(self.path(entry), self.path("moved")).unwrap();
                symlink(self.path(for_link_to), self.path(entry)).unwrap();
            }
        })
    }
}

#[test]
fn a_directory_that_becomes_a_symlink_during_the_copy_is_not_followed() {
    let scene = Scene::new(&["src/sub/file", "secret/key"]);
    let copied = scene.copy_and_swap("src/sub", "secret");
    assert_eq!(copied.unwrap_err(), "could not copy src/sub: Not a directory (os error 20)");
    assert!(!scene.path("copies/src/sub").exists());
}

#[test]
fn a_file_that_becomes_a_symlink_during_the_copy_is_not_followed() {
    let scene = Scene::new(&["src/file", "secret/key"]);
    let copied = scene.copy_and_swap("src/file", "secret/key");
    // The C library words it.
    let err = copied.unwrap_err();
    assert!(err.starts_with("could not copy src/file: "), "{err}");
    assert!(err.ends_with("(os error 40)"), "{err}");
    assert!(!scene.path("copies/src/file").exists());
}

#[test]
fn a_file_that_becomes_a_fifo_during_the_copy_is_skipped_and_not_waited_for() {
    let scene = Scene::new(&["src/file"]);
    let copied = scene.copy(&|| {
        fs::remove_file(scene.path("src/file")).unwrap();
        let path = scene.path("src/file");
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    });
    let skipped = "skipped src/file: it is neither file, directory nor symlink";
    assert_eq!(copied.unwrap(), [skipped]);
}

#[test]
fn entries_that_vanish_during_the_copy_are_skipped() {
    let scene = Scene::new(&["src/file", "src/sub/file"]);
    let copied = scene.copy(&|| {
        for entry in fs::read_dir(scene.path("src")).unwrap().map(|entry| entry.unwrap().path()) {
            let _ = fs::remove_file(&entry);
            let _ = fs::remove_dir_all(&entry);
        }
    });
    let mut skipped = copied.unwrap();
    skipped.sort();
    assert_eq!(skipped, ["skipped src/file: it has vanished", "skipped src/sub: it has vanished"]);
    assert!(fs::read_dir(scene.path("copies/src")).unwrap().next().is_none());
}

#[test]
fn the_source_itself_may_be_a_symlink() {
    let scene = Scene::new(&["real/sub/file"]);
    symlink("real", scene.path("src")).unwrap();
    scene.copy(&|| {}).unwrap();
    assert!(scene.path("copies/src/sub/file").is_file());
}

#[test]
fn a_tree_deeper_than_the_open_parents_keeps_its_content_modes_and_times() {
    let scene = Scene::new(&["src/1/2/3/4/5/6/7/8/9/10/11/12/file", "src/1/2/3/other/file"]);
    let [dir, copy] = ["src/1/2", "copies/src/1/2"].map(|path| scene.path(path));
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).unwrap();
    scene.copy(&|| {}).unwrap();
    for file in ["1/2/3/4/5/6/7/8/9/10/11/12/file", "1/2/3/other/file"] {
        assert_eq!(fs::read(scene.path("copies/src").join(file)).unwrap(), b"content");
    }
    let [source, copied] = [&dir, &copy].map(|path| fs::metadata(path).unwrap());
    assert_eq!(copied.mode(), source.mode());
    assert_eq!(copied.modified().unwrap(), source.modified().unwrap());
    for dir in [dir, copy] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_directory_that_moves_while_its_parent_is_closed_ends_the_copy() {
    let scene = Scene::new(&["src/1/2/3/4/5/6/7/8/9/10/11/12/file", "src/1/file"]);
    let files = Cell::new(0);
    let copied = scene.copy(&|| {
        files.set(
            files.get() + usize::from(scene.path("copies/src/1/2/3/4/5/6/7/8/9/10/11/12").exists()),
        );
        if files.get() == 1 {
            fs::rename(scene.path("src/1/2"), scene.path("moved")).unwrap();
        }
    });
    assert_eq!(
        copied.unwrap_err(),
        "could not copy src/1/2: another process moved it during the copy"
    );
}

#[test]
fn directories_merge_and_a_symlink_in_the_place_of_one_is_refused() {
    let scene = Scene::new(&["src/sub/new", "copies/src/sub/old", "elsewhere/file"]);
    scene.copy(&|| {}).unwrap();
    assert!(scene.path("copies/src/sub/old").exists());
    assert!(scene.path("copies/src/sub/new").exists());
    fs::remove_dir_all(scene.path("copies/src/sub")).unwrap();
    symlink(scene.path("elsewhere"), scene.path("copies/src/sub")).unwrap();
    let err = scene.copy(&|| {}).unwrap_err();
    assert_eq!(err, "could not copy src/sub: File exists (os error 17)");
    assert!(!scene.path("elsewhere/new").exists());
}
