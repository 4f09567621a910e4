//! Making resources from beginning to end: a lease, a place, the things, and the word to the caller.
//!
//! If anything fails on the way, what was made goes again: the caller has not been told, or only of
//! a part, and will not look after it.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::create::tempdir;
use crate::fs::dir::Place;
use crate::lease::entry::{BATCH, CouldNotCreate, Fill, Made, Wanted, make};
use crate::lease::record::{Kind, Lifetime};
use crate::lease::store::Stores;
use crate::lease::tmpfile::Unnamed;
use crate::lease::writer::{Lease, Terms};
use crate::os::env::Env;
use crate::os::random::Entropy;
use crate::reclaim::{reaper, release as reclaim};
use crate::values::error::Tell as _;

/// Tells the caller of names in a place; the last time with `true`.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&Lease, &Place, &[Made], bool) -> io::Result<()>;

/// Things in the making, under one lease.
#[derive(Debug)]
pub(crate) struct Making {
    /// The lease that covers them.
    pub lease: Lease,
    /// Randomness.
    pub entropy: Entropy,
    stores: Stores,
    candidates: Vec<tempdir::Candidate>,
    notes: Vec<String>,
}

impl Making {
    /// Gets ready to make things on these terms. Nothing is on disk yet.
    pub(crate) fn new(terms: Terms, env: &Env) -> anyhow::Result<Self> {
        let stores = Stores::new(env)?;
        Ok(Self {
            lease: Lease::new(stores.clone(), terms),
            entropy: Entropy::system(),
            stores,
            candidates: tempdir::candidates(env),
            notes: Vec::new(),
        })
    }

    /// Does something with it; if that fails, all that was made goes.
    pub(crate) fn attempt<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        act(self).or_else(|err| match reclaim::release(&self.lease, None) {
            Ok(left) if left.is_empty() => Err(err),
            _ => Err(err).hint("what was made is still there in part; 'tmpx cleanup' removes it"),
        })
    }

    /// Makes the first things, up to a batch, and so finds out where: in `dir`, or else in the
    /// first temp dir that lets it.
    pub(crate) fn first(
        &mut self,
        dir: Option<&Path>,
        wanted: &Wanted,
        count: u64,
        fill: Fill<'_>,
    ) -> anyhow::Result<(Place, Vec<Made>)> {
        self.somewhere(dir, &mut |making, dir| making.first_in(dir, wanted, count, fill))
    }

    /// Makes a file without a name, in `dir` or the first temp dir that lets it.
    pub(crate) fn unnamed(&mut self, dir: Option<&Path>) -> anyhow::Result<Unnamed> {
        self.somewhere(dir, &mut |making, dir| {
            let place =
                Place::open(dir).map_err(|err| CouldNotCreate::because(err, Kind::File, dir))?;
            Unnamed::make(&mut making.lease, &mut making.entropy, place, 0o600)
        })
    }

    /// Does something in `dir`, or else in the first temp dir that lets it.
    fn somewhere<T>(
        &mut self,
        dir: Option<&Path>,
        act: &mut dyn FnMut(&mut Self, &Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if let Some(dir) = dir {
            return act(self, dir);
        }
        let mut failure = None;
        for candidate in std::mem::take(&mut self.candidates) {
            let err = match act(self, &candidate.path) {
                Ok(made) => return Ok(made),
                Err(err) if !is_unusable(&err) => return Err(err),
                Err(err) => err,
            };
            if let Some(variable) = candidate.variable {
                let why =
                    err.root_cause().downcast_ref::<io::Error>().map(crate::values::error::reason);
                let dir = candidate.path.display();
                self.notes.push(format!(
                    "{variable}={dir} cannot be used and is passed over: {}",
                    why.unwrap_or_default()
                ));
            }
            failure.get_or_insert(err);
        }
        Err(failure.unwrap_or_else(|| anyhow::anyhow!("there is no temporary directory")))
            .hint("'tmpx gettempdir --all' shows what was tried")
    }

    fn first_in(
        &mut self,
        dir: &Path,
        wanted: &Wanted,
        count: u64,
        fill: Fill<'_>,
    ) -> anyhow::Result<(Place, Vec<Made>)> {
        let place =
            Place::open(dir).map_err(|err| CouldNotCreate::because(err, wanted.kind, dir))?;
        let made = self.more(&place, wanted, count, fill)?;
        Ok((place, made))
    }

    /// Makes more things in the same place, up to a batch.
    pub(crate) fn more(
        &mut self,
        place: &Place,
        wanted: &Wanted,
        count: u64,
        fill: Fill<'_>,
    ) -> anyhow::Result<Vec<Made>> {
        let count = usize::try_from(count).unwrap_or(BATCH).min(BATCH);
        make(&mut self.lease, &mut self.entropy, place, wanted, count, fill)
    }

    /// Makes `count` things and tells of them, batch by batch; then marks the lease as given.
    pub(crate) fn make_all(
        &mut self,
        dir: Option<&Path>,
        wanted: &Wanted,
        count: u64,
        fill: Fill<'_>,
        tell: Tell<'_>,
    ) -> anyhow::Result<()> {
        self.attempt(|making| {
            let (place, mut made) = making.first(dir, wanted, count, fill)?;
            let mut left = count;
            loop {
                left -= u64::try_from(made.len()).unwrap_or(left).min(left);
                tell(&making.lease, &place, &made, left == 0)
                    .context("could not write to stdout")?;
                if left == 0 {
                    return making.lease.give();
                }
                made = making.more(&place, wanted, left, fill)?;
            }
        })
    }

    /// What is to be said of variables that could not be followed.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Removes leases of what was made below `dirs` in a mount namespace that is gone.
    pub(crate) fn forget(&self, mnt_ns: u64, dirs: &[PathBuf]) {
        for store in self.stores.existing().0 {
            reclaim::forget(&store, mnt_ns, dirs, self.lease.habitat());
        }
    }

    /// Lets go of the lease, and has what it says come true: the reaper learns of one that has an
    /// end. Once in a while, removes leases of things that are long gone.
    pub(crate) fn conclude(mut self, env: &Env) {
        let store = self.lease.close();
        if let Some(store) = store
            && matches!(self.lease.lifetime(), Lifetime::Bound { .. })
            && env.get("TMPX_REAPER").is_none_or(|value| value != "0")
        {
            reaper::summon(&store, self.lease.id(), self.lease.habitat());
        }
        if self.entropy.one_in(64).unwrap_or(false) {
            let habitat = self.lease.habitat().clone();
            for store in self.stores.existing().0 {
                reclaim::prune(&store, &habitat, &mut self.entropy);
            }
        }
    }
}

/// Errors that say something of the directory, where another one may do.
fn is_unusable(err: &anyhow::Error) -> bool {
    if err.downcast_ref::<CouldNotCreate>().is_none() {
        return false;
    }
    let code = err.root_cause().downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    matches!(
        code,
        Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES | libc::EPERM | libc::EROFS | libc::ELOOP)
    )
}
