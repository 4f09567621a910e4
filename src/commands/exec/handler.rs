//! `tmpx exec`: runs a command in a workspace, saves its outputs and removes the workspace.

use std::path::PathBuf;

use crate::cli::ExecArgs;
use crate::commands::context::Context;
use crate::commands::exec::job::Job;
use crate::commands::exec::run::Run;
use crate::create::Transaction;
use crate::os::Mounts;
use crate::process::{Orphan, Orphans, reserve_fds};
use crate::reclaim::reaper;
use crate::sys::SignalQueue;
use crate::ui::print_note;
use crate::values::Status;
use crate::workspace::private_tmp;

pub(crate) fn run(args: ExecArgs, context: &Context) -> anyhow::Result<Status> {
    // This comes first: nothing that tmpx opens may get one of these numbers.
    let reserved = reserve_fds(&args.run.anon_fds)?;
    let job = Job::plan(args, context)?;
    let mut transaction = Transaction::new(job.lease_spec(context)?, &context.env)?;
    let signals = SignalQueue::open(context.signals);
    let orphans = Orphans::adopt();
    let ended = transaction.or_rollback(|transaction| {
        let mut run = Run::prepare(&job, transaction, &signals, &context.env)?;
        let outcome = run.execute(context, &orphans)?;
        Ok(run.finish(outcome))
    })?;
    // The command has ended. From here on, no failure may hide its status.
    let orphans = orphans.remaining();
    if let Some(mounts) = ended.mounts
        && orphans.is_empty()
    {
        forget_private_tmp(mounts, &transaction);
    }
    for Orphan { pid, name } in orphans.iter().filter(|orphan| orphan.name != reaper::NAME) {
        let removed = if ended.workspace.exists() { "" } else { "; its workspace was removed" };
        print_note(format_args!("{} ({pid}) is still running{removed}", name.display()));
    }
    drop(reserved);
    context.finish(transaction);
    Ok(ended.status)
}

/// Removes the leases of resources in a private /tmp that no longer exists.
fn forget_private_tmp(mounts: Mounts, transaction: &Transaction) {
    if let Ok(hidden) = private_tmp::hidden() {
        let dirs: Vec<PathBuf> = hidden.into_iter().map(|(path, _)| path).collect();
        transaction.forget_resources_in(mounts, &dirs);
    }
}
