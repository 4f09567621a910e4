//! What a run makes on the way and leaves nothing of.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::create::transaction::Making;
use crate::fs::dir::Place;
use crate::lease::entry::{Naming, Wanted};
use crate::lease::record::{Kind, Lifetime};
use crate::lease::spec as terms;
use crate::lease::spec::Wish;
use crate::lease::tmpfile::Unnamed;
use crate::lease::writer::Terms;
use crate::os::env::Env;
use crate::reclaim::release as reclaim;
use crate::streams::replace;
use crate::ui::progress::shown;
use crate::ui::stdout::{hint, note};
use crate::values::error::{Status, hint_of, message};
use crate::values::template::Template;

/// Things that are gone when tmpx ends, under a lease that is begun with the first of them: to find
/// out whose it is costs as much as all else that a short run does.
#[derive(Debug)]
pub(crate) struct Passing<'a> {
    env: &'a Env,
    args: &'a [OsString],
    making: Option<Making>,
}

impl<'a> Passing<'a> {
    /// Does something with such things, and removes them however that ends. `args` are tmpx's own
    /// arguments.
    pub(crate) fn with<T>(
        env: &'a Env,
        args: &'a [OsString],
        act: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut passing = Self { env, args, making: None };
        let done = act(&mut passing);
        if let Some(making) = passing.making {
            if let Err(err) = clear_away(&making) {
                tell(&err);
            }
            making.conclude(env);
        }
        done
    }

    /// What makes them.
    pub(crate) fn making(&mut self) -> anyhow::Result<&mut Making> {
        let making = match self.making.take() {
            Some(making) => making,
            None => self.begin()?,
        };
        Ok(self.making.insert(making))
    }

    fn begin(&self) -> anyhow::Result<Making> {
        let wish = Wish { keep: true, ..Wish::default() };
        let terms = terms::settle(wish, self.env, self.args, &mut |text| note(text))?;
        Making::new(Terms { lifetime: Lifetime::Command, ..terms }, self.env)
    }

    /// A file without a name, in `dir` or the temp dir.
    pub(crate) fn unnamed(&mut self, dir: Option<&Path>) -> anyhow::Result<Unnamed> {
        let making = self.making()?;
        let made = making.unnamed(dir);
        making.take_notes().iter().for_each(note);
        made
    }

    /// A directory that a command keeps for as long as it or a child of it runs: in this place, or
    /// else in `dir` or the temp dir.
    pub(crate) fn dir(
        &mut self,
        place: Option<&Place>,
        dir: Option<&Path>,
    ) -> anyhow::Result<PathBuf> {
        let name = Naming::Random(Template::new(None, None));
        let wanted = Wanted { kind: Kind::Dir, name, mode: None };
        let making = self.making()?;
        let path = if let Some(place) = place {
            let made = making.more(place, &wanted, 1, &mut |_| Ok(()))?;
            place.join(&made.first().context("nothing was made")?.name)
        } else {
            let (place, made) = making.first(dir, &wanted, 1, &mut |_| Ok(()))?;
            place.join(&made.first().context("nothing was made")?.name)
        };
        making.take_notes().iter().for_each(note);
        making.lease.bequeath_lock().context("could not keep the lock")?;
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
        match self.making().and_then(|making| write_report(file, report, making)) {
            Ok(()) => status,
            Err(err) => unreported(&err, status),
        }
    }
}

/// Writes a report, whole: a JSON object on a line.
pub(crate) fn write_report(
    file: &Path,
    report: &impl Serialize,
    making: &mut Making,
) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    let Making { lease, entropy, .. } = making;
    replace::write_whole(file, &line, lease, entropy)
}

/// What a run ends with whose report could not be written; tells of that.
pub(crate) fn unreported(err: &anyhow::Error, status: Status) -> Status {
    tell(err);
    match status {
        Status::Done => Status::Failed,
        Status::Command(0) => Status::Broken,
        other => other,
    }
}

/// Removes what was made for as long as a command ran. What cannot be removed is told.
pub(crate) fn clear_away(making: &Making) -> anyhow::Result<()> {
    let failures = shown(true, |shown| reclaim::release(&making.lease, Some(&shown.progress)))?;
    for (path, why) in failures {
        note(format_args!("could not remove {}: {why}", path.display()));
    }
    Ok(())
}

/// Says what went wrong where it is not the end.
pub(crate) fn tell(err: &anyhow::Error) {
    note(message(err));
    if let Some(remedy) = hint_of(err) {
        hint(remedy);
    }
}
