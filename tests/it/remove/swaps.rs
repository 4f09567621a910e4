//! Deletions while somebody swaps what is deleted for what is not. A canary that is lost is a hole.
//!
//! Each attack runs against tmpx's own engine, and then, as a control, against a deleter that makes
//! the mistake which the attack is about: that one has to lose canaries, or the attack is none.
//!
//! A thousand deletions here; `TMPX_STRESS=1 cargo test swaps -- --nocapture` goes on to a million swaps.

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
use tmpx::testing::{Dir, Identity, Removal, Root};

use crate::support::sandbox::skip_unless;

/// How many swaps a control may take to lose something.
const MOST_SWAPS: u64 = 2_000_000;

/// A directory of its own, with the tree `res` in `place` and the canaries outside of it.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    /// In memory, where there is such a place: there is more swapping to the second.
    fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("tmpx-swaps.");
        let dir = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap();
        fs::create_dir(dir.path().join("place")).unwrap();
        Self { dir }
    }

    fn place(&self) -> PathBuf {
        self.dir.path().join("place")
    }

    fn res(&self) -> PathBuf {
        self.place().join("res")
    }

    /// What is not to be touched. It lies so deep that a deleter which climbs out of the tree as
    /// often as it went down is still in this scene.
    fn outside(&self) -> PathBuf {
        self.dir.path().join("not/to/be/touched")
    }
}

/// Puts canaries into a directory, under names that the tree has too.
fn put_canaries(dir: &Path) {
    for name in ["0", "1", "2", "sub/0", "sub/1"] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "canary").unwrap();
    }
}

fn has_lost_canaries(dir: &Path) -> bool {
    let is_whole = |name| fs::read(dir.join(name)).is_ok_and(|content| content == b"canary");
    !["0", "1", "2", "sub/0", "sub/1"].into_iter().all(is_whole)
}

/// What an attack consists of.
struct Attack<'a> {
    /// Swaps something, if it is there to be swapped.
    swap: &'a (dyn Fn() -> bool + Sync),
    /// Clears away what is left, and makes the tree anew for this deletion.
    set_up: &'a dyn Fn(u64),
    has_lost: &'a dyn Fn() -> bool,
}

struct Toll {
    deletions: u64,
    swaps: u64,
    has_lost: bool,
}

impl Attack<'_> {
    /// Deletes so often, and under so many swaps, unless canaries are lost before.
    fn run(&self, delete: &dyn Fn(), deletions: u64, least_swaps: u64, most_swaps: u64) -> Toll {
        let swaps = AtomicU64::new(0);
        let [over, pause] = [AtomicBool::new(false), AtomicBool::new(false)];
        let calm = Mutex::new(());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    if pause.load(SeqCst) {
                        std::thread::yield_now();
                        continue;
                    }
                    let _swapping = calm.lock().unwrap();
                    swaps.fetch_add((self.swap)().into(), SeqCst);
                }
            });
            let calmly = |act: &dyn Fn() -> bool| {
                pause.store(true, SeqCst);
                let _calm = calm.lock().unwrap();
                let done = act();
                pause.store(false, SeqCst);
                done
            };
            let mut toll = Toll { deletions: 0, swaps: 0, has_lost: false };
            while !toll.has_lost
                && toll.swaps < most_swaps
                && (toll.deletions < deletions || toll.swaps < least_swaps)
            {
                calmly(&|| {
                    (self.set_up)(toll.deletions);
                    false
                });
                delete();
                toll.has_lost = calmly(self.has_lost);
                toll.deletions += 1;
                toll.swaps = swaps.load(SeqCst);
            }
            over.store(true, SeqCst);
            toll
        })
    }

    /// The engine loses nothing, and the control does.
    fn proves(&self, engine: &dyn Fn(), deletions: u64, control: &dyn Fn()) {
        let least_swaps = if std::env::var_os("TMPX_STRESS").is_some() { 1_000_000 } else { 1000 };
        let toll = self.run(engine, deletions, least_swaps, u64::MAX);
        println!("{} swaps during {} deletions", toll.swaps, toll.deletions);
        assert!(!toll.has_lost, "canaries were lost after {} swaps", toll.swaps);
        let toll = self.run(control, u64::MAX, 0, MOST_SWAPS);
        println!("the control lost canaries after {} swaps", toll.swaps);
        assert!(toll.has_lost, "the control lost nothing in {} swaps", toll.swaps);
    }
}

fn exchange(one: &Path, other: &Path) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

fn can_exchange(scene: &Scene) -> bool {
    let [one, other] = ["one", "other"].map(|name| scene.place().join(name));
    fs::write(&one, "").unwrap();
    fs::write(&other, "").unwrap();
    let can = exchange(&one, &other).is_ok();
    fs::remove_file(one).unwrap();
    fs::remove_file(other).unwrap();
    skip_unless(can, "filesystem that exchanges names")
}

/// Deletes by tmpx's engine, whatever it finds there.
fn by_tmpx(scene: &Scene) {
    let place = Dir::open(&scene.place()).unwrap();
    if let Ok(root) = Root::open(&place, "res".as_ref()) {
        let _ = root.remove(Removal::PLAIN);
    }
}

/// The mistake: to look what is at a path, and then to do something at that path.
fn by_path(path: &Path) {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            by_path(&entry.path());
        }
        let _ = fs::remove_dir(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The mistake: to believe that `..` is where one came from. `limit` is not left.
fn by_climbing(root: &Path, limit: &Path) {
    let limit = fs::metadata(limit).unwrap().ino();
    let open = |dir: &OwnedFd, name: &str| openat(dir, name, DIRECTORY, Mode::empty());
    let Ok(mut dir) = openat(CWD, root, DIRECTORY, Mode::empty()) else { return };
    let mut way = Vec::new();
    loop {
        let mut below = None;
        for entry in DirReader::read_from(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
            } else if entry.file_type().is_dir() {
                below = Some(name);
            } else {
                let _ = unlinkat(&dir, name, AtFlags::empty());
            }
        }
        if let Some(Ok(opened)) = below.as_ref().map(|name| open(&dir, name)) {
            dir = opened;
            way.extend(below);
            continue;
        }
        let (Some(name), Ok(above)) = (way.pop(), open(&dir, "..")) else { return };
        let is_limit = fstat(&above).is_ok_and(|found| found.st_ino == limit);
        if is_limit || unlinkat(&above, name, AtFlags::REMOVEDIR).is_err() {
            return;
        }
        dir = above;
    }
}

#[test]
fn directories_and_symlinks_that_are_swapped_all_the_time_lead_nowhere() {
    let scene = Scene::new();
    if !can_exchange(&scene) {
        return;
    }
    put_canaries(&scene.outside());
    let res = scene.res();
    let pairs = [0, 1, 2, 3].map(|n| [res.join(format!("d{n}")), res.join(format!("l{n}"))]);
    let attack = Attack {
        swap: &|| pairs.iter().any(|[dir, link]| exchange(dir, link).is_ok()),
        set_up: &|round| {
            let _ = fs::remove_dir_all(&res);
            for [dir, link] in &pairs {
                fs::create_dir_all(dir.join("sub")).unwrap();
                // Now and then it is large enough for several threads.
                let files = if round % 25 == 0 { 150 } else { 3 };
                for file in 0..files {
                    fs::write(dir.join(file.to_string()), "").unwrap();
                }
                fs::write(dir.join("sub/0"), "").unwrap();
                symlink(scene.outside(), link).unwrap();
            }
        },
        has_lost: &|| has_lost_canaries(&scene.outside()),
    };
    attack.proves(&|| by_tmpx(&scene), 1000, &|| by_path(&res));
}

#[test]
fn a_directory_that_is_moved_away_with_the_deleter_in_it_does_not_lead_out() {
    let scene = Scene::new();
    put_canaries(&scene.outside());
    let [inside, outside] = [scene.res().join("n/n"), scene.outside().join("n")];
    let attack = Attack {
        swap: &|| fs::rename(&inside, &outside).or_else(|_| fs::rename(&outside, &inside)).is_ok(),
        set_up: &|_| {
            let _ = fs::remove_dir_all(scene.res());
            let _ = fs::remove_dir_all(&outside);
            // Deeper than descriptors are kept.
            let mut dir = scene.res();
            for _ in 0..40 {
                dir.push("n");
            }
            fs::create_dir_all(&dir).unwrap();
            for file in 0..20 {
                fs::write(dir.join(file.to_string()), "").unwrap();
            }
        },
        has_lost: &|| has_lost_canaries(&scene.outside()),
    };
    let control = || by_climbing(&scene.res(), scene.dir.path());
    attack.proves(&|| by_tmpx(&scene), 1000, &control);
}

#[test]
fn a_foreign_directory_that_takes_the_name_in_a_shared_parent_is_not_emptied() {
    let scene = Scene::new();
    if !can_exchange(&scene) {
        return;
    }
    fs::set_permissions(scene.place(), fs::Permissions::from_mode(0o775)).unwrap();
    let [res, foreign] = [scene.res(), scene.place().join("foreign")];
    put_canaries(&foreign);
    let is_foreign = |dir: &Path| dir.join("mark").exists();
    fs::write(foreign.join("mark"), "").unwrap();
    let attack = Attack {
        swap: &|| exchange(&res, &foreign).is_ok(),
        set_up: &|_| {
            if is_foreign(&res) {
                let _ = fs::remove_dir_all(&foreign);
                fs::rename(&res, &foreign).unwrap();
            }
            let _ = fs::remove_dir_all(&res);
            fs::create_dir_all(res.join("sub")).unwrap();
            for name in ["0", "1", "2", "sub/0"] {
                fs::write(res.join(name), "").unwrap();
            }
        },
        has_lost: &|| {
            // Under the one name or the other.
            has_lost_canaries(if has_lost_canaries(&foreign) { &res } else { &foreign })
        },
    };
    // The identity is taken as a lease would have it, while nobody is at it.
    let recorded = |scene: &Scene| {
        let place = Dir::open(&scene.place()).unwrap();
        Identity::of(&place, c"res", place.fsid()).unwrap()
    };
    let identity = Mutex::new(None);
    let inode = AtomicU64::new(0);
    let attack = Attack {
        set_up: &|round| {
            (attack.set_up)(round);
            *identity.lock().unwrap() = Some(recorded(&scene));
            inode.store(fs::metadata(&res).unwrap().ino(), SeqCst);
        },
        ..attack
    };
    let engine = || {
        let place = Dir::open(&scene.place()).unwrap();
        let Ok(root) = Root::open(&place, "res".as_ref()) else { return };
        if root.is(identity.lock().unwrap().as_ref().unwrap(), true).unwrap_or(false) {
            let _ = root.remove(Removal::PLAIN);
        }
    };
    let control = || {
        if res.symlink_metadata().is_ok_and(|found| found.ino() == inode.load(SeqCst)) {
            by_path(&res);
        }
    };
    attack.proves(&engine, 1000, &control);
}
