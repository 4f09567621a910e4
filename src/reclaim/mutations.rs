//! Changes leases at random, and sweeps: nothing of a living owner is removed, and no lease of one is
//! lost.
//!
//! `lease::mutations` shows that each change is damage, or changes nothing. This shows what a sweep does
//! then. `TMPX_STRESS=1 cargo test --lib mutations` runs both with a million changes. With TMPDIR on tmpfs and
//! 2 processors this one takes four minutes; on a disk it takes an hour.

use std::fs;
use std::num::NonZero;

use crate::lease::mutations::{Numbers, mutate};
use crate::lease::{Kind, Lifetime};
use crate::reclaim::fixture::{TestStore, this};
use crate::reclaim::selection::Selection;
use crate::remove::Mode;

#[test]
fn no_changed_lease_of_a_living_owner_loses_a_resource_or_is_lost() {
    if std::env::var_os("TMPX_STRESS").is_none() {
        return sweep_changed_leases(0, 1_000);
    }
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for n in 0..threads {
            scope.spawn(move || sweep_changed_leases(n, 1_000_000usize.div_ceil(threads)));
        }
    });
}

/// Sweeps a store of its own `rounds` times. The `n`th sequence of numbers decides what is changed before each.
fn sweep_changed_leases(n: usize, rounds: usize) {
    let store = TestStore::new();
    let owner = Some(this());
    let paths = store.create(Lifetime::Bound { owner, ttl_ms: None }, Kind::File, 2);
    let dirs = store.create(Lifetime::Bound { owner, ttl_ms: None }, Kind::Dir, 1);
    // Names that differ from the recorded ones by a character.
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        fs::write(store.dir().join(format!("{}x", &name[..name.len() - 1])), "user's").unwrap();
        fs::write(store.dir().join(name.replacen("tmp.", "tmq.", 1)), "user's").unwrap();
    }
    fs::write(dirs[0].join("content"), "user's").unwrap();
    let entries = || fs::read_dir(store.dir()).unwrap().count();
    let all = entries();
    let leases: Vec<_> = store.ids().iter().map(|id| store.store().path().join(id)).collect();
    let texts: Vec<_> = leases.iter().map(|lease| fs::read(lease).unwrap()).collect();
    let mut numbers = Numbers::nth(n as u64);
    for round in 0..rounds {
        let which = round % leases.len();
        let changed = mutate(&texts[which], &mut numbers);
        if changed.is_empty() {
            continue;
        }
        fs::write(&leases[which], &changed).unwrap();
        let selection = Selection { all: round % 3 > 0, ..Selection::default() };
        let swept = store.sweep(&selection, Mode::Remove);
        assert_eq!(swept.removed(), [""; 0], "{}", changed.escape_ascii());
        let is_whole = entries() == all && dirs[0].join("content").exists();
        let is_known = leases.iter().all(|lease| lease.exists());
        assert!(is_whole && is_known, "{round}: {}", changed.escape_ascii());
        fs::write(&leases[which], &texts[which]).unwrap();
    }
}
