//! Removes what a lease of this very process covers.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use crate::lease::{Content, Lease, Record, Resource, Store};
use crate::reclaim::outcome::{Observer, Outcome};
use crate::reclaim::problem::LeaseProblem;
use crate::reclaim::selection::Selection;
use crate::reclaim::sweep::Sweep;
use crate::reclaim::system::SystemState;
use crate::remove::Removal;
use crate::values::Progress;

/// Removes everything that a lease of this very process covers, then the lease: when the command that
/// it was created for has ended, or when the paths could not be printed. Other holders of the lock do
/// not matter. Counts into `progress`. Returns what could not be removed, and why.
pub(crate) fn release(
    lease: &Lease,
    progress: Option<&Progress>,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let Some((store, locked)) = lease.locked()? else { return Ok(Vec::new()) };
    let mut remains = Remains(Vec::new());
    let is_complete = match locked.content().context("could not read the lease")? {
        Content::Empty => true,
        Content::Record(mut record) => {
            record.resources.retain(|resource| !lease.is_renamed(resource.name.as_os_str()));
            let removal = Removal { progress, ..Removal::PLAIN };
            remove(&record, store, lease.id(), removal, &mut remains)?
        }
        Content::Unreadable(why) => return Err(anyhow!("could not read the lease: {why}")),
    };
    if is_complete {
        locked.delete().context("could not remove the lease")?;
    }
    Ok(remains.0)
}

/// Removes everything that the record covers. Returns whether its lease may be removed.
fn remove(
    record: &Record,
    store: &Store,
    id: &str,
    removal: Removal<'_>,
    remains: &mut Remains,
) -> io::Result<bool> {
    let selection = Selection { force: true, ..Selection::default() };
    let system = SystemState::without_ancestry(record.header.namespaces.clone());
    let sweep = Sweep::of_own(store, &selection, &system, removal);
    let swept = sweep.remove(id, record, remains)?;
    sweep.end_inner_leases();
    Ok(swept.ends_lease)
}

/// Collects what could not be removed, and why.
struct Remains(Vec<(PathBuf, String)>);

impl Observer for Remains {
    fn outcome(&mut self, _: &str, resource: &Resource, outcome: Outcome) -> io::Result<()> {
        match outcome {
            Outcome::Removed(_) | Outcome::GivenUp => {}
            Outcome::Kept(reason) => self.0.push((resource.path(), reason.to_string())),
            Outcome::Failed { failures, .. } => self.0.extend(failures),
        }
        Ok(())
    }

    fn problem(&mut self, _: LeaseProblem) {
        // Only a sweep through other leases has problems with one.
    }
}
