//! Attacks on a running removal: another thread keeps swapping entries of the tree for files
//! outside of it, the canaries. A removed canary is a security hole.
//!
//! Each attack runs against tmpx's own removal, and then against a control, a removal that makes
//! the mistake that the attack exploits. The control must remove canaries, or the attack proves
//! nothing.
//!
//! Each attack runs through 1,000 removals. With `TMPX_STRESS=1 cargo test swaps -- --nocapture` it
//! continues until a million swaps.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

use rustix::fs::{
    AtFlags, CWD, Dir as DirReader, Mode, OFlags, RenameFlags, fstat, openat, unlinkat,
};
use tmpx::testing::{Dir, Removal, Root};

use crate::support::sandbox::skip_unless;

/// Within how many swaps a control must lose canaries.
const MAX_SWAPS: u64 = 2_000_000;

/// A temporary directory with a tree, `parent/tree`, that is removed, and canaries outside of it.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    /// Creates the directory in memory if possible, where swaps are faster.
    fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("tmpx-swaps.");
        let dir = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap();
        fs::create_dir(dir.path().join("parent")).unwrap();
        Self { dir }
    }

    fn parent(&self) -> PathBuf {
        self.dir.path().join("parent")
    }

    fn tree(&self) -> PathBuf {
        self.parent().join("tree")
    }

    /// The directory of the canaries. It is so deep that a control that leaves the tree through
    /// `..` still stays in this scene.
    fn outside(&self) -> PathBuf {
        self.dir.path().join("directory/of/the/canaries")
    }
}

/// Creates canaries in a directory, with names that the tree uses too.
fn create_canaries(dir: &Path) {
    for name in ["0", "1", "2", "sub/0", "sub/1"] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "canary").unwrap();
    }
}

fn lost_canaries(dir: &Path) -> bool {
    let is_intact = |name| fs::read(dir.join(name)).is_ok_and(|content| content == b"canary");
    !["0", "1", "2", "sub/0", "sub/1"].into_iter().all(is_intact)
}

struct Attack<'a> {
    /// Swaps two entries. Returns false if they do not exist at the moment.
    swap: &'a (dyn Fn() -> bool + Sync),
    /// Removes what the last removal left, and creates the tree for the removal of this number.
    prepare: &'a dyn Fn(u64),
    has_lost_canaries: &'a dyn Fn() -> bool,
}

struct AttackResult {
    removals: u64,
    swaps: u64,
    has_lost_canaries: bool,
}

impl Attack<'_> {
    /// Runs at least `removals` removals during at least `min_swaps` swaps. Stops early if canaries
    /// are lost or after `max_swaps` swaps.
    fn run(
        &self,
        remove: &dyn Fn(),
        removals: u64,
        min_swaps: u64,
        max_swaps: u64,
    ) -> AttackResult {
        let swaps = AtomicU64::new(0);
        let [done, pause] = [AtomicBool::new(false), AtomicBool::new(false)];
        let swapping = Mutex::new(());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    if pause.load(SeqCst) {
                        std::thread::yield_now();
                        continue;
                    }
                    let _swapping = swapping.lock().unwrap();
                    swaps.fetch_add((self.swap)().into(), SeqCst);
                }
            });
            let without_swaps = |act: &dyn Fn() -> bool| {
                pause.store(true, SeqCst);
                let _paused = swapping.lock().unwrap();
                let result = act();
                pause.store(false, SeqCst);
                result
            };
            let mut result = AttackResult { removals: 0, swaps: 0, has_lost_canaries: false };
            while !result.has_lost_canaries
                && result.swaps < max_swaps
                && (result.removals < removals || result.swaps < min_swaps)
            {
                without_swaps(&|| {
                    (self.prepare)(result.removals);
                    false
                });
                remove();
                result.has_lost_canaries = without_swaps(self.has_lost_canaries);
                result.removals += 1;
                result.swaps = swaps.load(SeqCst);
            }
            done.store(true, SeqCst);
            result
        })
    }

    /// Asserts that tmpx loses no canaries, and that the control does.
    fn proves(&self, tmpx: &dyn Fn(), removals: u64, control: &dyn Fn()) {
        let min_swaps = if std::env::var_os("TMPX_STRESS").is_some() { 1_000_000 } else { 1000 };
        let result = self.run(tmpx, removals, min_swaps, u64::MAX);
        println!("{} swaps during {} removals", result.swaps, result.removals);
        assert!(!result.has_lost_canaries, "canaries were lost after {} swaps", result.swaps);
        let result = self.run(control, u64::MAX, 0, MAX_SWAPS);
        println!("the control lost canaries after {} swaps", result.swaps);
        assert!(result.has_lost_canaries, "the control lost nothing in {} swaps", result.swaps);
    }
}

fn exchange(one: &Path, other: &Path) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

fn can_exchange(scene: &Scene) -> bool {
    let [one, other] = ["one", "other"].map(|name| scene.parent().join(name));
    fs::write(&one, "").unwrap();
    fs::write(&other, "").unwrap();
    let can = exchange(&one, &other).is_ok();
    fs::remove_file(one).unwrap();
    fs::remove_file(other).unwrap();
    skip_unless(can, "filesystem with RENAME_EXCHANGE")
}

/// Removes the tree as tmpx does, whichever directory has its name.
fn remove_by_tmpx(scene: &Scene) {
    let dir = Dir::open(&scene.parent()).unwrap();
    if let Ok(root) = Root::open(&dir, "tree".as_ref()) {
        let _ = root.remove(Removal::PLAIN);
    }
}

/// The mistake: examines a path, and then acts on the same path.
fn remove_by_path(path: &Path) {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            remove_by_path(&entry.path());
        }
        let _ = fs::remove_dir(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The mistake: takes `..` for the directory that it came from. Never leaves `limit`.
fn remove_through_parents(root: &Path, limit: &Path) {
    let limit = fs::metadata(limit).unwrap().ino();
    let open = |dir: &OwnedFd, name: &str| openat(dir, name, DIRECTORY, Mode::empty());
    let Ok(mut dir) = openat(CWD, root, DIRECTORY, Mode::empty()) else { return };
    let mut names = Vec::new();
    loop {
        let mut child = None;
        for entry in DirReader::read_from(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
            } else if entry.file_type().is_dir() {
                child = Some(name);
            } else {
                let _ = unlinkat(&dir, name, AtFlags::empty());
            }
        }
        if let Some(Ok(opened)) = child.as_ref().map(|name| open(&dir, name)) {
            dir = opened;
            names.extend(child);
            continue;
        }
        let (Some(name), Ok(parent)) = (names.pop(), open(&dir, "..")) else { return };
        let is_limit = fstat(&parent).is_ok_and(|found| found.st_ino == limit);
        if is_limit || unlinkat(&parent, name, AtFlags::REMOVEDIR).is_err() {
            return;
        }
        dir = parent;
    }
}

#[test]
fn directories_that_are_swapped_for_symlinks_do_not_lead_out_of_the_tree() {
    let scene = Scene::new();
    if !can_exchange(&scene) {
        return;
    }
    create_canaries(&scene.outside());
    let tree = scene.tree();
    let pairs = [0, 1, 2, 3].map(|n| [tree.join(format!("d{n}")), tree.join(format!("l{n}"))]);
    let attack = Attack {
        swap: &|| pairs.iter().any(|[dir, link]| exchange(dir, link).is_ok()),
        prepare: &|round| {
            let _ = fs::remove_dir_all(&tree);
            for [dir, link] in &pairs {
                fs::create_dir_all(dir.join("sub")).unwrap();
                // Every 25th tree is large enough for several threads.
                let files = if round % 25 == 0 { 150 } else { 3 };
                for file in 0..files {
                    fs::write(dir.join(file.to_string()), "").unwrap();
                }
                fs::write(dir.join("sub/0"), "").unwrap();
                symlink(scene.outside(), link).unwrap();
            }
        },
        has_lost_canaries: &|| lost_canaries(&scene.outside()),
    };
    attack.proves(&|| remove_by_tmpx(&scene), 1000, &|| remove_by_path(&tree));
}

#[test]
fn a_directory_that_is_moved_while_it_is_emptied_does_not_lead_out_of_the_tree() {
    let scene = Scene::new();
    create_canaries(&scene.outside());
    let [inside, outside] = [scene.tree().join("n/n"), scene.outside().join("n")];
    let attack = Attack {
        swap: &|| fs::rename(&inside, &outside).or_else(|_| fs::rename(&outside, &inside)).is_ok(),
        prepare: &|_| {
            let _ = fs::remove_dir_all(scene.tree());
            let _ = fs::remove_dir_all(&outside);
            // Deeper than the walk keeps descriptors open.
            let mut dir = scene.tree();
            for _ in 0..40 {
                dir.push("n");
            }
            fs::create_dir_all(&dir).unwrap();
            for file in 0..20 {
                fs::write(dir.join(file.to_string()), "").unwrap();
            }
        },
        has_lost_canaries: &|| lost_canaries(&scene.outside()),
    };
    let control = || remove_through_parents(&scene.tree(), scene.dir.path());
    attack.proves(&|| remove_by_tmpx(&scene), 1000, &control);
}

#[test]
fn a_foreign_directory_that_gets_the_name_in_a_shared_parent_is_not_emptied() {
    let scene = Scene::new();
    if !can_exchange(&scene) {
        return;
    }
    fs::set_permissions(scene.parent(), fs::Permissions::from_mode(0o775)).unwrap();
    let [tree, foreign] = [scene.tree(), scene.parent().join("foreign")];
    create_canaries(&foreign);
    let is_foreign = |dir: &Path| dir.join("mark").exists();
    fs::write(foreign.join("mark"), "").unwrap();
    let attack = Attack {
        swap: &|| exchange(&tree, &foreign).is_ok(),
        prepare: &|_| {
            if is_foreign(&tree) {
                let _ = fs::remove_dir_all(&foreign);
                fs::rename(&tree, &foreign).unwrap();
            }
            let _ = fs::remove_dir_all(&tree);
            fs::create_dir_all(tree.join("sub")).unwrap();
            for name in ["0", "1", "2", "sub/0"] {
                fs::write(tree.join(name), "").unwrap();
            }
        },
        has_lost_canaries: &|| {
            // They may have either name.
            lost_canaries(if lost_canaries(&foreign) { &tree } else { &foreign })
        },
    };
    // Records the identity as a lease does, while nothing is swapped.
    let record = |scene: &Scene| {
        let dir = Dir::open(&scene.parent()).unwrap();
        dir.identify(c"tree")
    };
    let identity = Mutex::new(None);
    let inode = AtomicU64::new(0);
    let attack = Attack {
        prepare: &|round| {
            (attack.prepare)(round);
            *identity.lock().unwrap() = Some(record(&scene));
            inode.store(fs::metadata(&tree).unwrap().ino(), SeqCst);
        },
        ..attack
    };
    let tmpx = || {
        let dir = Dir::open(&scene.parent()).unwrap();
        let Ok(root) = Root::open(&dir, "tree".as_ref()) else { return };
        if root.is(identity.lock().unwrap().as_ref().unwrap()) {
            let _ = root.remove(Removal::PLAIN);
        }
    };
    let control = || {
        if tree.symlink_metadata().is_ok_and(|found| found.ino() == inode.load(SeqCst)) {
            remove_by_path(&tree);
        }
    };
    attack.proves(&tmpx, 1000, &control);
}
