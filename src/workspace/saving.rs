//! Saving files from a workspace.
//!
//! Copying and publishing are two steps. All copies are whole, each beside its target under a leased
//! name, before the first one is renamed into place: where one cannot be made, no file has changed.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::fs::OFlags;

use super::outputs::Plan;
use crate::copy;
use crate::entropy::Entropy;
use crate::error::Tell as _;
use crate::lease::Lease;
use crate::lease::create::{Naming, Wanted, make, make_link};
use crate::lease::record::Kind;
use crate::place::{Place, open_beneath};
use crate::remove;
use crate::template::Template;

/// Saves what was planned, and tells the paths of what is there now, directories aside.
///
/// # Errors
/// Where something cannot be copied; the copies that were made already are gone then, and so are
/// the directories that were made for them.
pub fn save(plan: Plan, lease: &mut Lease, entropy: &mut Entropy) -> anyhow::Result<Vec<PathBuf>> {
    let mut dirs = NewDirs::default();
    let mut staged = Vec::new();
    for (to, from) in plan.targets {
        let metadata = &plan.entries[&from];
        match stage(&plan.root, &from, metadata, to, &mut dirs, lease, entropy) {
            Ok(one) => staged.extend(one),
            Err(err) => {
                staged.into_iter().for_each(Staged::discard);
                dirs.discard();
                return Err(err);
            }
        }
    }
    let mut saved = Vec::new();
    let mut staged = staged.into_iter();
    while let Some(one) = staged.next() {
        match one.publish() {
            Ok(path) => saved.push(path),
            Err(err) => {
                staged.for_each(Staged::discard);
                dirs.discard();
                return Err(err);
            }
        }
    }
    Ok(saved)
}

/// Directories that were made to save something in, those above before those in them.
#[derive(Default)]
struct NewDirs(Vec<PathBuf>);

impl NewDirs {
    /// Makes a directory, with those above it.
    fn make(&mut self, dir: &Path) -> io::Result<()> {
        let missing = dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned);
        let mut missing: Vec<PathBuf> = missing.collect();
        missing.reverse();
        std::fs::create_dir_all(dir)?;
        self.0.append(&mut missing);
        Ok(())
    }

    /// Takes back those that are empty.
    fn discard(self) {
        for dir in self.0.iter().rev() {
            let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { continue };
            if let Ok(place) = Place::open(parent) {
                let _ = remove::entry(&place, name, true);
            }
        }
    }
}

fn could_not_save(to: &Path) -> String {
    format!("could not save {}", to.display())
}

/// Copies one thing beside its target; a directory is only made.
fn stage(
    root: &Place,
    from: &Path,
    metadata: &Metadata,
    to: PathBuf,
    dirs: &mut NewDirs,
    lease: &mut Lease,
    entropy: &mut Entropy,
) -> anyhow::Result<Option<Staged>> {
    let dir = if metadata.is_dir() { to.as_path() } else { to.parent().unwrap_or(Path::new("/")) };
    dirs.make(dir).with_context(|| could_not_save(&to))?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if to.is_dir() {
        return Err(anyhow!("{}: it is a directory", could_not_save(&to)))
            .hint(format!("write {}/ to save into it", to.display()));
    }
    let place = Place::open(dir).with_context(|| could_not_save(&to))?;
    let hidden = if metadata.is_symlink() {
        let target = std::fs::read_link(root.real().join(from))?;
        make_link(lease, entropy, &place, &target)?
    } else if metadata.is_file() {
        let wanted =
            Wanted { kind: Kind::File, name: Naming::Random(Template::hidden()), mode: None };
        let copied = make(lease, entropy, &place, &wanted, 1, &mut |copy| {
            let source = open_regular_beneath(root, from)?;
            copy::fill(&source, copy, &|| Ok(()))?;
            copy::imitate(metadata, copy)?;
            Ok(())
        });
        copied.with_context(|| could_not_save(&to))?.remove(0).name
    } else {
        return Ok(None);
    };
    Ok(Some(Staged { hidden, to }))
}

/// Opens what was a regular file a moment ago; what a straggler has put there since is not waited
/// for.
fn open_regular_beneath(root: &Place, from: &Path) -> anyhow::Result<std::fs::File> {
    let file = open_beneath(root, from, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let file = std::fs::File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(anyhow!("it is a file no more")) }
}

/// Something copied beside its target, under a hidden name.
struct Staged {
    hidden: OsString,
    to: PathBuf,
}

impl Staged {
    /// Gives the copy its name, in place of what has it, and tells that.
    fn publish(self) -> anyhow::Result<PathBuf> {
        match std::fs::rename(self.to.with_file_name(&self.hidden), &self.to) {
            Ok(()) => Ok(self.to),
            Err(err) => {
                let context = could_not_save(&self.to);
                self.discard();
                Err(err).context(context)
            }
        }
    }

    /// Takes the copy back. What cannot be removed stays in the lease.
    fn discard(self) {
        if let Ok(place) = Place::open(self.to.parent().unwrap_or(Path::new("/"))) {
            let _ = remove::entry(&place, &self.hidden, false);
        }
    }
}
