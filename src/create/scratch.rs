//! What a run makes on the way and leaves nothing of.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::create::transaction::Transaction;
use crate::fs::Dir;
use crate::lease::{
    CreateOptions, Kind, LeaseSpec, Lifetime, LifetimeOptions, NameRule, TmpFile, spec,
};
use crate::os::Env;
use crate::reclaim::release;
use crate::streams::replace;
use crate::ui::{print_hint, print_note, with_progress};
use crate::values::error::{hint_of, render};
use crate::values::{Status, Template};

/// Things that are gone when tmpx ends, under a lease that is begun with the first of them: to find
/// out whose it is costs as much as all else that a short run does.
#[derive(Debug)]
pub(crate) struct Scratch<'a> {
    env: &'a Env,
    args: &'a [OsString],
    transaction: Option<Transaction>,
}

impl<'a> Scratch<'a> {
    /// Does something with such things, and removes them however that ends. `args` are tmpx's own
    /// arguments.
    pub(crate) fn with<T>(
        env: &'a Env,
        args: &'a [OsString],
        act: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut scratch = Self { env, args, transaction: None };
        let done = act(&mut scratch);
        if let Some(transaction) = scratch.transaction {
            if let Err(err) = remove_scratch(&transaction) {
                report_error(&err);
            }
            transaction.finish(env);
        }
        done
    }

    /// What makes them.
    pub(crate) fn transaction(&mut self) -> anyhow::Result<&mut Transaction> {
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => self.begin()?,
        };
        Ok(self.transaction.insert(transaction))
    }

    fn begin(&self) -> anyhow::Result<Transaction> {
        let wish = LifetimeOptions { keep: true, ..LifetimeOptions::default() };
        let terms = spec::resolve(wish, self.env, self.args, &mut |text| print_note(text))?;
        Transaction::new(LeaseSpec { lifetime: Lifetime::Command, ..terms }, self.env)
    }

    /// A file without a name, in `dir` or the temp dir.
    pub(crate) fn tmpfile(&mut self, dir: Option<&Path>) -> anyhow::Result<TmpFile> {
        let transaction = self.transaction()?;
        let made = transaction.tmpfile(dir);
        transaction.take_warnings().iter().for_each(print_note);
        made
    }

    /// A directory that a command keeps for as long as it or a child of it runs: in this place, or
    /// else in `dir` or the temp dir.
    pub(crate) fn dir(
        &mut self,
        place: Option<&Dir>,
        dir: Option<&Path>,
    ) -> anyhow::Result<PathBuf> {
        let name = NameRule::Random(Template::new(None, None));
        let wanted = CreateOptions { kind: Kind::Dir, name, mode: None, keep_open: false };
        let transaction = self.transaction()?;
        let path = if let Some(place) = place {
            place.join(&transaction.create_one_in(place, &wanted)?.name)
        } else {
            let (place, created) = transaction.create_one(dir, &wanted)?;
            place.join(&created.name)
        };
        transaction.take_warnings().iter().for_each(print_note);
        transaction.lease.inherit_lock().context("could not keep the lock")?;
        Ok(path)
    }

    /// Writes a report, if one is wanted. Where it cannot be written, that is told, and masks no
    /// status but success.
    pub(crate) fn report(
        &mut self,
        file: Option<&Path>,
        report: &impl Serialize,
        status: Status,
    ) -> Status {
        let Some(file) = file else {
            return status;
        };
        match self.transaction().and_then(|transaction| write_report(file, report, transaction)) {
            Ok(()) => status,
            Err(err) => status_without_report(&err, status),
        }
    }
}

/// Writes a report, whole: a JSON object on a line.
pub(crate) fn write_report(
    file: &Path,
    report: &impl Serialize,
    transaction: &mut Transaction,
) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    replace::write_whole(file, &line, &mut transaction.lease)
}

/// What a run ends with whose report could not be written; tells of that.
pub(crate) fn status_without_report(err: &anyhow::Error, status: Status) -> Status {
    report_error(err);
    match status {
        Status::Success => Status::Failed,
        Status::Command(0) => Status::TmpxFailed,
        other => other,
    }
}

/// Removes what was made for as long as a command ran. What cannot be removed is told.
pub(crate) fn remove_scratch(transaction: &Transaction) -> anyhow::Result<()> {
    let failures = with_progress(true, |shown| release(&transaction.lease, Some(&shown.progress)))?;
    for (path, why) in failures {
        print_note(format_args!("could not remove {}: {why}", path.display()));
    }
    Ok(())
}

/// Says what went wrong where it is not the end.
pub(crate) fn report_error(err: &anyhow::Error) {
    print_note(render(err));
    if let Some(remedy) = hint_of(err) {
        print_hint(remedy);
    }
}
