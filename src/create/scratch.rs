//! Scratch: resources that one run creates for itself and removes before it exits.

use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::Context as _;

use crate::create::transaction::Transaction;
use crate::fs::Dir;
use crate::fs::rw::write_all;
use crate::lease::{CreateError, CreateOptions, Kind, Lease, LeaseSpec, NameRule, TmpFile};
use crate::os::Env;
use crate::values::Template;
use crate::values::message::reason;

/// Scratch resources under one lease, which is prepared on first use: finding out who the caller is
/// costs as much as the rest of a short run.
#[derive(Debug)]
pub(crate) struct Scratch<'a> {
    env: &'a Env,
    warn: fn(&str),
    transaction: Option<Transaction>,
}

impl<'a> Scratch<'a> {
    /// Returns an empty scratch, which reports warnings to `warn`.
    pub(crate) fn new(env: &'a Env, warn: fn(&str)) -> Self {
        Self { env, warn, transaction: None }
    }

    /// Returns the lease of the resources.
    pub(crate) fn lease(&mut self) -> anyhow::Result<&mut Lease> {
        Ok(self.transaction()?.lease_mut())
    }

    /// Returns the transaction, whose resources the caller must remove, if there is one.
    pub(crate) fn into_transaction(self) -> Option<Transaction> {
        self.transaction
    }

    /// Creates an unnamed file in `dir` or the temp dir.
    pub(crate) fn tmpfile(&mut self, dir: Option<&Path>) -> anyhow::Result<TmpFile> {
        let created = self.transaction()?.tmpfile(dir);
        self.print_warnings();
        created
    }

    /// Checks whether a directory accepts files, by writing one under the lease. Returns why not.
    pub(crate) fn probe(&mut self, dir: &Path) -> Result<(), String> {
        let write = |lease: &mut Lease| {
            let opened =
                Dir::open(dir).map_err(|err| CreateError::refused(Kind::File, dir, err))?;
            let file = TmpFile::create(lease, opened, 0o600)?;
            write_all(file.as_fd(), b"blat")
                .map_err(|err| CreateError::refused(Kind::File, dir, err))
        };
        let written = self.lease().and_then(|lease| Ok(write(lease)?));
        written.map_err(|err| reason(&err))
    }

    /// Creates a directory that exists while a command or a child of it runs: in `parent`, or else in
    /// `dir` or the temp dir. It is open, since others may exchange what has its path.
    pub(crate) fn dir(&mut self, parent: Option<&Dir>, dir: Option<&Path>) -> anyhow::Result<Dir> {
        let name = NameRule::Random(Template::new(None, None));
        let options = CreateOptions { kind: Kind::Dir, name, mode: None, keep_open: true };
        let transaction = self.transaction()?;
        let opened = if let Some(parent) = parent {
            transaction.create_one_in(parent, &options)?.into_dir(parent)
        } else {
            let (parent, created) = transaction.create_one(dir, &options)?;
            created.into_dir(&parent)
        };
        let opened = opened.context("could not open the new directory")?;
        transaction.lease_mut().inherit_lock()?;
        // From now on the lock decides, whatever happens to the file of the lease.
        transaction.lease_mut().commit()?;
        self.print_warnings();
        Ok(opened)
    }

    fn transaction(&mut self) -> anyhow::Result<&mut Transaction> {
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => Transaction::new(LeaseSpec::for_command(None, self.env)?, self.env)?,
        };
        Ok(self.transaction.insert(transaction))
    }

    fn print_warnings(&mut self) {
        let warnings = self.transaction.as_mut().map(Transaction::take_warnings);
        warnings.iter().flatten().for_each(|warning| (self.warn)(warning));
    }
}
