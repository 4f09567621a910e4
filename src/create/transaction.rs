//! A transaction: creates resources under one lease, from the choice of a directory to the commit.
//!
//! If a step fails, everything created so far is removed: the caller got no paths, or only some of
//! them, and will not look after the resources.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::create::tempdir::{self, Candidates, TempDirCandidate};
use crate::fs::Dir;
use crate::lease::entry::{self, BATCH, reborrow};
use crate::lease::{
    CreateError, CreateOptions, Created, Fill, Kind, Lease, LeaseSpec, Lifetime, StoreError,
    Stores, TmpFile,
};
use crate::os::{Env, Mounts, Random};
use crate::reclaim::{prune, reaper, release};
use crate::values::message::strerror;

/// Prints the names of new entries in a directory. The last call has `true`.
pub(crate) type PrintPaths<'a> =
    &'a mut dyn FnMut(&Lease, &Dir, &[Created], bool) -> io::Result<()>;

/// Resources that are being created under one lease.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// The lease that covers them.
    lease: Lease,
    temp_dirs: Candidates,
    /// The first of them that accepted an entry.
    temp_dir: Option<PathBuf>,
    warnings: Vec<String>,
}

/// A failure after which some of the new resources could not be removed. The lease still covers them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct NotRolledBack(pub(crate) anyhow::Error);

/// Why no temp dir can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TempDirError {
    /// None of the candidates accepts a new entry. The error is that of the first.
    #[error(transparent)]
    NoneUsable(CreateError),
    #[error("no usable temporary directory")]
    NoneKnown,
}

impl Transaction {
    /// Returns the lease that covers the resources.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns the lease, to record more in it or to commit it.
    pub(crate) fn lease_mut(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// Returns a transaction that has not created anything yet.
    pub(crate) fn new(spec: LeaseSpec, env: &Env) -> Result<Self, StoreError> {
        Ok(Self {
            lease: Lease::new(Stores::new(env)?, spec, Random::system()),
            temp_dirs: tempdir::candidates(env),
            temp_dir: None,
            warnings: Vec::new(),
        })
    }

    /// Runs `act`. If it fails, removes everything that was created.
    pub(crate) fn or_rollback<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        act(self).map_err(|err| if self.rollback() { err } else { NotRolledBack(err).into() })
    }

    /// Removes everything that was created. Returns whether nothing is left.
    pub(crate) fn rollback(&self) -> bool {
        release(&self.lease, None).is_ok_and(|failures| failures.is_empty())
    }

    /// Creates the first entries, at most a batch, and thereby chooses the directory: `dir`, or the
    /// first temp dir that accepts them.
    pub(crate) fn create_first(
        &mut self,
        dir: Option<&Path>,
        options: &CreateOptions,
        count: u64,
        mut fill: Fill<'_>,
    ) -> anyhow::Result<(Dir, Vec<Created>)> {
        let (dir, created) = self.in_usable_dir(dir, options.kind, &mut |lease, dir| {
            let created = create_batch(lease, &dir, options, count, reborrow(&mut fill))?;
            Ok((dir, created))
        })?;
        self.warn_of_unprovable(&dir, &created);
        Ok((dir, created))
    }

    /// Records a warning if a cleanup will not be able to prove that an entry is ours.
    fn warn_of_unprovable(&mut self, dir: &Dir, created: &[Created]) {
        if let Some(created) = created.iter().find(|created| created.is_unprovable) {
            let path = dir.join(&created.name);
            let path = path.display();
            let why = "its filesystem lets nothing prove later that tmpx created it";
            self.warnings.push(format!("cleanups will keep {path}: {why}"));
        }
    }

    /// Creates more entries in the same directory, at most a batch.
    pub(crate) fn create_batch(
        &mut self,
        dir: &Dir,
        options: &CreateOptions,
        count: u64,
        fill: Fill<'_>,
    ) -> Result<Vec<Created>, CreateError> {
        create_batch(&mut self.lease, dir, options, count, fill)
    }

    /// Creates `count` entries and prints their paths, batch by batch, then commits the lease.
    pub(crate) fn create_all(
        &mut self,
        dir: Option<&Path>,
        options: &CreateOptions,
        count: u64,
        mut fill: Fill<'_>,
        print_paths: PrintPaths<'_>,
    ) -> anyhow::Result<()> {
        self.or_rollback(|transaction| {
            let (dir, mut created) =
                transaction.create_first(dir, options, count, reborrow(&mut fill))?;
            let mut left = count;
            loop {
                left -= u64::try_from(created.len()).unwrap_or(left).min(left);
                print_paths(transaction.lease(), &dir, &created, left == 0)
                    .context("could not write to stdout")?;
                if left == 0 {
                    return Ok(transaction.lease_mut().commit()?);
                }
                created = transaction.create_batch(&dir, options, left, reborrow(&mut fill))?;
            }
        })
    }

    /// Creates one entry in `dir`, or in the first temp dir that accepts it.
    pub(crate) fn create_one(
        &mut self,
        dir: Option<&Path>,
        options: &CreateOptions,
    ) -> anyhow::Result<(Dir, Created)> {
        let (dir, created) = self.in_usable_dir(dir, options.kind, &mut |lease, dir| {
            let created = entry::create_one(lease, &dir, options, None)?;
            Ok((dir, created))
        })?;
        self.warn_of_unprovable(&dir, std::slice::from_ref(&created));
        Ok((dir, created))
    }

    /// Creates one entry in a directory that is open.
    pub(crate) fn create_one_in(
        &mut self,
        dir: &Dir,
        options: &CreateOptions,
    ) -> Result<Created, CreateError> {
        entry::create_one(&mut self.lease, dir, options, None)
    }

    /// Creates an unnamed file in `dir`, or in the first temp dir that accepts it.
    pub(crate) fn tmpfile(&mut self, dir: Option<&Path>) -> anyhow::Result<TmpFile> {
        self.in_usable_dir(dir, Kind::File, &mut |lease, dir| TmpFile::create(lease, dir, 0o600))
    }

    /// Opens `dir`, or the first temp dir in which `create` succeeds. Records a warning for each
    /// variable that names another one.
    fn in_usable_dir<T>(
        &mut self,
        dir: Option<&Path>,
        kind: Kind,
        create: &mut dyn FnMut(&mut Lease, Dir) -> Result<T, CreateError>,
    ) -> anyhow::Result<T> {
        let mut attempt = |lease: &mut Lease, path: &Path| {
            let dir = Dir::open(path).map_err(|err| CreateError::refused(kind, path, err))?;
            create(lease, dir)
        };
        if let Some(dir) = dir.or(self.temp_dir.as_deref()) {
            return Ok(attempt(&mut self.lease, dir)?);
        }
        let mut first = None;
        for TempDirCandidate { path, variable } in self.temp_dirs.by_ref() {
            let err = match attempt(&mut self.lease, &path) {
                Ok(created) => {
                    self.temp_dir = Some(path);
                    return Ok(created);
                }
                Err(err) => err,
            };
            let Some(cause) = err.unusable_dir() else { return Err(err.into()) };
            if let Some(variable) = variable {
                let (path, cause) = (path.display(), strerror(cause));
                self.warnings.push(format!("ignoring {variable}={path}: {cause}"));
            }
            first.get_or_insert(err);
        }
        Err(first.map_or(TempDirError::NoneKnown, TempDirError::NoneUsable).into())
    }

    /// Returns the warnings about variables that could not be followed, once.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Removes the leases of resources below `dirs` on mounts that no longer exist: they were removed
    /// with them.
    pub(crate) fn forget_resources_in(&self, mounts: Mounts, dirs: &[PathBuf]) {
        for store in self.lease.stores().existing().0 {
            prune::forget_resources_in(&store, mounts, dirs, self.lease.namespaces());
        }
    }

    /// Releases the lock of the lease, and notifies the reaper of a lease that ends by itself. Once in
    /// a while, prunes leases whose resources were removed long ago. Fails if no reaper can be started.
    pub(crate) fn finish(mut self, env: &Env) -> io::Result<()> {
        let ends_by_itself = matches!(self.lease.lifetime(), Lifetime::Bound { .. });
        let notifies = ends_by_itself && env.get("TMPX_REAPER").is_none_or(|value| value != "0");
        let prunes = self.lease.random().one_in(64).unwrap_or(false);
        if !notifies && !prunes {
            // tmpx exits next, and the kernel then closes the lease and releases its lock.
            std::mem::forget(self);
            return Ok(());
        }
        let told = match self.lease.close() {
            Some(store) if notifies => {
                reaper::notify_or_spawn(&store, self.lease.id(), self.lease.namespaces())
            }
            _ => Ok(()),
        };
        if prunes {
            let namespaces = self.lease.namespaces().clone();
            for store in self.lease.stores().existing().0 {
                prune::prune(&store, &namespaces, self.lease.random());
            }
        }
        told
    }
}

fn create_batch(
    lease: &mut Lease,
    dir: &Dir,
    options: &CreateOptions,
    count: u64,
    fill: Fill<'_>,
) -> Result<Vec<Created>, CreateError> {
    let count = usize::try_from(count).unwrap_or(BATCH).min(BATCH);
    entry::create(lease, dir, options, count, fill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::NameRule;
    use crate::os::Namespaces;
    use crate::values::Template;
    use std::fs;

    /// Returns a transaction whose state directory is in `root`.
    fn transaction(root: &Path, variables: &[(&str, &str)]) -> Transaction {
        let state = root.join("state");
        let mut variables = variables.to_vec();
        variables.push(("TMPX_STATE_DIR", state.to_str().unwrap()));
        let namespaces = Namespaces::current();
        let spec =
            LeaseSpec { lifetime: Lifetime::Manual, session: None, caller: None, namespaces };
        Transaction::new(spec, &Env::fixed(&variables)).unwrap()
    }

    fn options() -> CreateOptions {
        let name = NameRule::Random(Template::new(None, None));
        CreateOptions { kind: Kind::Dir, name, mode: None, keep_open: false }
    }

    #[test]
    fn the_first_temp_dir_that_accepts_an_entry_is_used_and_the_others_are_reported() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        let mut transaction = transaction(root.path(), &[("TMPDIR", "/nodir"), ("TEMP", path)]);
        let (dir, created) = transaction.create_one(None, &options()).unwrap();
        assert_eq!(dir.path(), root.path());
        assert!(dir.join(&created.name).is_dir());
        let warning = "ignoring TMPDIR=/nodir: No such file or directory";
        assert_eq!(transaction.take_warnings(), [warning]);
        assert!(transaction.take_warnings().is_empty());
    }

    #[test]
    fn an_explicit_directory_has_no_fallback() {
        let root = tempfile::tempdir().unwrap();
        let mut transaction = transaction(root.path(), &[]);
        let err = transaction.create_one(Some(Path::new("/nodir")), &options()).unwrap_err();
        assert!(err.is::<CreateError>());
        assert!(transaction.take_warnings().is_empty());
    }

    #[test]
    fn a_failure_removes_everything_that_was_created() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("tmp");
        fs::create_dir(&dir).unwrap();
        let mut transaction = transaction(root.path(), &[]);
        let mut print_paths = |_: &Lease, _: &Dir, _: &[Created], _: bool| {
            Err::<(), _>(io::ErrorKind::BrokenPipe.into())
        };
        let fill: Fill<'_> = None;
        let result = transaction.create_all(Some(&dir), &options(), 600, fill, &mut print_paths);
        assert!(!result.unwrap_err().is::<NotRolledBack>());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.path().join("state/leases")).unwrap().count(), 0);
    }

    #[test]
    fn a_failure_that_leaves_resources_says_so() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("tmp");
        fs::create_dir(&dir).unwrap();
        let mut transaction = transaction(root.path(), &[]);
        let result = transaction.or_rollback(|transaction| {
            let (dir, created) = transaction.create_one(Some(&dir), &options())?;
            // The lease cannot be read any more, so nothing proves that the directory is ours.
            let state = root.path().join("state/leases").join(transaction.lease.id());
            fs::write(state, "damaged")?;
            assert!(dir.join(&created.name).exists());
            Err::<(), _>(anyhow::anyhow!("no"))
        });
        let err = result.unwrap_err();
        assert!(err.is::<NotRolledBack>());
        assert_eq!(err.to_string(), "no");
    }
}
