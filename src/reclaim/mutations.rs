//! Changes leases at random, and sweeps: nothing of a living owner is removed, and no lease of one is
//! lost.
//!
//! `lease::mutations` shows that each change is damage, or changes nothing. This shows what a sweep does
//! then. `TMPX_STRESS=1 cargo test --lib mutations` runs both with a million changes; with TMPDIR on a disk
//! this one takes an hour, and on tmpfs five minutes.

use std::fs;

use crate::lease::mutations::{Numbers, mutate};
use crate::lease::{Kind, Lifetime};
use crate::reclaim::fixture::{TestStore, this};
use crate::reclaim::selection::Selection;
use crate::remove::Mode;

#[test]
fn no_changed_lease_of_a_living_owner_loses_a_resource_or_is_lost() {
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
    let mut numbers = Numbers::new();
    let rounds = if std::env::var_os("TMPX_STRESS").is_some() { 1_000_000 } else { 1_000 };
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
