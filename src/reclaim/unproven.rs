//! Entries that nothing proves to be ours, and what the user must say before one is removed.

use std::path::Path;

use crate::reclaim::selection::Selection;
use crate::remove::Root;

/// An entry that has a name of a resource and may be ours. Only the user can know.
///
/// [`Root`] has the only calls that remove. This type does not give its own away unless the user insists
/// and names this very entry: a resource may have two names, and a user who gives up one of them may own
/// what has the other.
#[derive(Debug)]
pub(super) struct Unproven<'d>(Root<'d>);

impl<'d> Unproven<'d> {
    pub(super) fn new(root: Root<'d>) -> Self {
        Self(root)
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns it to be looked at.
    pub(super) fn entry(&self) -> &Root<'d> {
        &self.0
    }

    /// Returns it to be removed, if the user insists on that by its own path.
    pub(super) fn given_up_by(self, selection: &Selection) -> Option<Root<'d>> {
        selection.insists_on(self.0.path()).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::lease::{Content, CreateOptions, Kind, Lifetime, NameRule, Record, reader};
    use crate::os::Namespaces;
    use crate::reclaim::fixture::{Swept, TestStore, spec};
    use crate::reclaim::outcome::Outcome;
    use crate::reclaim::selection::Selection;
    use crate::reclaim::sweep::Sweep;
    use crate::reclaim::system::SystemState;
    use crate::remove::Removal;
    use crate::values::ExactName;

    /// Returns a record whose resource has both of its names, and nothing proves either.
    fn halfway(store: &TestStore) -> Record {
        let name = NameRule::Exact(ExactName::parse("report.csv".into()).unwrap());
        let options = CreateOptions { kind: Kind::File, name, mode: None, keep_open: false };
        let (lease, _) = store.locked(spec(Lifetime::Manual), &options, 1);
        let content = reader::read(&store.store(), lease.id()).unwrap().unwrap().content;
        let Content::Record(mut record) = content else { panic!("{content:?}") };
        let resource = &mut record.resources[0];
        (resource.run, resource.identity) = (None, None);
        std::fs::write(resource.first_path(), "").unwrap();
        *record
    }

    /// Removes by these paths. Returns the names of what was removed and of what was kept as unproven.
    fn remove(store: &TestStore, record: &Record, paths: &[PathBuf], force: bool) -> [String; 2] {
        let paths = paths.iter().cloned().collect();
        let selection = Selection { paths, force, ..Selection::default() };
        let system = SystemState::without_ancestry(Namespaces::current());
        let (store, mut swept) = (store.store(), Swept::default());
        let sweep = Sweep::new(&store, &selection, &system, Removal::PLAIN);
        sweep.remove(&record.header.id, record, &mut swept).unwrap();
        let names = |is_removed| {
            let outcomes = swept.outcomes.iter();
            let matching =
                outcomes.filter(|(_, one)| matches!(one, Outcome::Removed(_)) == is_removed);
            let name = |path: &PathBuf| match path.file_name().unwrap().to_str().unwrap() {
                "report.csv" => "chosen ",
                _ => "hidden ",
            };
            matching.map(|(path, _)| name(path)).collect()
        };
        [names(true), names(false)]
    }

    #[test]
    fn of_two_names_that_nothing_proves_force_removes_those_that_the_user_names() {
        let (hidden, chosen) = ("hidden ", "chosen ");
        for (named, force, expected) in [
            ([true, false], true, [hidden, chosen]),
            ([false, true], true, [chosen, hidden]),
            ([true, true], true, ["hidden chosen ", ""]),
            ([false, false], true, ["", "hidden chosen "]),
            ([true, true], false, ["", "hidden chosen "]),
        ] {
            let store = TestStore::new();
            let record = halfway(&store);
            let resource = &record.resources[0];
            let both = [resource.first_path(), resource.path()];
            let paths: Vec<_> = both
                .iter()
                .zip(named)
                .filter(|(_, named)| *named)
                .map(|(path, _)| path.clone())
                .collect();
            assert_eq!(remove(&store, &record, &paths, force), expected, "{named:?} {force}");
            assert_eq!(both.iter().filter(|path| !path.exists()).count(), expected[0].len() / 7);
        }
    }
}
