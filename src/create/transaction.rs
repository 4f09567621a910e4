//! Making resources from beginning to end: a lease, a place, the things, and the word to the caller.
//!
//! If anything fails on the way, what was made goes again: the caller has not been told, or only of
//! a part, and will not look after it.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::create::tempdir;
use crate::fs::Dir;
use crate::lease::entry::{BATCH, create, create_one};
use crate::lease::{
    CreateError, CreateOptions, Created, Fill, Kind, Lease, LeaseSpec, Lifetime, Stores, TmpFile,
};
use crate::os::{Env, Random};
use crate::reclaim::{prune, reaper, release};
use crate::values::ErrorExt as _;

/// Tells the caller of names in a place; the last time with `true`.
pub(crate) type PrintPaths<'a> =
    &'a mut dyn FnMut(&Lease, &Dir, &[Created], bool) -> io::Result<()>;

/// Things in the making, under one lease.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// The lease that covers them.
    pub lease: Lease,
    stores: Stores,
    candidates: Vec<tempdir::TempDirCandidate>,
    notes: Vec<String>,
}

impl Transaction {
    /// Gets ready to make things on these terms. Nothing is on disk yet.
    pub(crate) fn new(terms: LeaseSpec, env: &Env) -> anyhow::Result<Self> {
        let stores = Stores::new(env)?;
        Ok(Self {
            lease: Lease::new(stores.clone(), terms, Random::system()),
            stores,
            candidates: tempdir::candidates(env),
            notes: Vec::new(),
        })
    }

    /// Does something with it; if that fails, all that was made goes.
    pub(crate) fn or_rollback<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        act(self).or_else(|err| match release(&self.lease, None) {
            Ok(left) if left.is_empty() => Err(err),
            _ => Err(err).hint("what was made is still there in part; 'tmpx cleanup' removes it"),
        })
    }

    /// Makes the first things, up to a batch, and so finds out where: in `dir`, or else in the
    /// first temp dir that lets it.
    pub(crate) fn create_first(
        &mut self,
        dir: Option<&Path>,
        wanted: &CreateOptions,
        count: u64,
        fill: Fill<'_>,
    ) -> anyhow::Result<(Dir, Vec<Created>)> {
        self.somewhere(dir, &mut |transaction, dir| {
            transaction.create_first_in(dir, wanted, count, fill)
        })
    }

    /// Creates one resource in `dir`, or else in the first temp dir that lets it.
    pub(crate) fn create_one(
        &mut self,
        dir: Option<&Path>,
        wanted: &CreateOptions,
    ) -> anyhow::Result<(Dir, Created)> {
        self.somewhere(dir, &mut |transaction, dir| {
            let place = Dir::open(dir).map_err(|err| CreateError::new(err, wanted.kind, dir))?;
            let created = transaction.create_one_in(&place, wanted)?;
            Ok((place, created))
        })
    }

    /// Creates one resource in a directory that is open.
    pub(crate) fn create_one_in(
        &mut self,
        place: &Dir,
        wanted: &CreateOptions,
    ) -> anyhow::Result<Created> {
        create_one(&mut self.lease, place, wanted, &mut |_| Ok(()))
    }

    /// Makes a file without a name, in `dir` or the first temp dir that lets it.
    pub(crate) fn tmpfile(&mut self, dir: Option<&Path>) -> anyhow::Result<TmpFile> {
        self.somewhere(dir, &mut |transaction, dir| {
            let place = Dir::open(dir).map_err(|err| CreateError::new(err, Kind::File, dir))?;
            TmpFile::create(&mut transaction.lease, place, 0o600)
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
                let why = err
                    .root_cause()
                    .downcast_ref::<io::Error>()
                    .map(crate::values::error::strerror);
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

    fn create_first_in(
        &mut self,
        dir: &Path,
        wanted: &CreateOptions,
        count: u64,
        fill: Fill<'_>,
    ) -> anyhow::Result<(Dir, Vec<Created>)> {
        let place = Dir::open(dir).map_err(|err| CreateError::new(err, wanted.kind, dir))?;
        let made = self.create_batch(&place, wanted, count, fill)?;
        Ok((place, made))
    }

    /// Makes more things in the same place, up to a batch.
    pub(crate) fn create_batch(
        &mut self,
        place: &Dir,
        wanted: &CreateOptions,
        count: u64,
        fill: Fill<'_>,
    ) -> anyhow::Result<Vec<Created>> {
        let count = usize::try_from(count).unwrap_or(BATCH).min(BATCH);
        create(&mut self.lease, place, wanted, count, fill)
    }

    /// Makes `count` things and tells of them, batch by batch; then marks the lease as given.
    pub(crate) fn create_all(
        &mut self,
        dir: Option<&Path>,
        wanted: &CreateOptions,
        count: u64,
        fill: Fill<'_>,
        tell: PrintPaths<'_>,
    ) -> anyhow::Result<()> {
        self.or_rollback(|transaction| {
            let (place, mut made) = transaction.create_first(dir, wanted, count, fill)?;
            let mut left = count;
            loop {
                left -= u64::try_from(made.len()).unwrap_or(left).min(left);
                tell(&transaction.lease, &place, &made, left == 0)
                    .context("could not write to stdout")?;
                if left == 0 {
                    return transaction.lease.commit();
                }
                made = transaction.create_batch(&place, wanted, left, fill)?;
            }
        })
    }

    /// What is to be said of variables that could not be followed.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Removes leases of what was made below `dirs` in a mount namespace that is gone.
    pub(crate) fn forget_resources_in(&self, mnt_ns: u64, dirs: &[PathBuf]) {
        for store in self.stores.existing().0 {
            prune::forget_resources_in(&store, mnt_ns, dirs, self.lease.habitat());
        }
    }

    /// Lets go of the lease, and has what it says come true: the reaper learns of one that has an
    /// end. Once in a while, removes leases of things that are long gone.
    pub(crate) fn finish(mut self, env: &Env) {
        let store = self.lease.close();
        if let Some(store) = store
            && matches!(self.lease.lifetime(), Lifetime::Bound { .. })
            && env.get("TMPX_REAPER").is_none_or(|value| value != "0")
        {
            reaper::notify_or_spawn(&store, self.lease.id(), self.lease.habitat());
        }
        if self.lease.random().one_in(64).unwrap_or(false) {
            let habitat = self.lease.habitat().clone();
            for store in self.stores.existing().0 {
                prune::prune(&store, &habitat, self.lease.random());
            }
        }
    }
}

/// Errors that say something of the directory, where another one may do.
fn is_unusable(err: &anyhow::Error) -> bool {
    if err.downcast_ref::<CreateError>().is_none() {
        return false;
    }
    let code = err.root_cause().downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    matches!(
        code,
        Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES | libc::EPERM | libc::EROFS | libc::ELOOP)
    )
}
