//! Decides what an entry is that has the name of a resource: the table of what is removed.
//!
//! A proven identity removes an entry. Without one, the name can do so: nobody else knows a random
//! name of tmpx before it exists, so only who may rename our entries can put one of ours under it.
//! Another user can do that with a file, which they could have removed too. They can also do it with
//! a directory that they could never have emptied, so a directory has to meet more conditions.
//!
//! All callers that remove resources ask [`Evidence::ruling`]: cleanups, the reaper, the end of a
//! command, and the undoing of a creation.

use crate::fs::{Proof, Protection};

/// Who can have chosen a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameOrigin {
    /// Its random part is long enough for tmpx alone.
    Random,
    /// The user, or anybody.
    Chosen,
}

/// What is known of an entry that has the name of a resource.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact on its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Whether its directory is the recorded one.
    pub(super) parent: Proof,
    /// Who can change entries of that directory.
    pub(super) protection: Protection,
    /// Whether it is the recorded entry. `None` if the record ends before its identity, because its
    /// creator was killed.
    pub(super) identity: Option<Proof>,
    pub(super) name: NameOrigin,
    /// Whether it has the recorded type and belongs to us.
    pub(super) fits: bool,
    pub(super) is_dir: bool,
    /// Whether other users may write to it.
    pub(super) is_open_to_others: bool,
    /// Whether its filesystem may let them do so against its mode.
    pub(super) is_weak: bool,
}

/// What an entry is, and so what may happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is the recorded one, and ours to remove.
    Proven,
    /// It has a name that only we know, and is ours to remove.
    Ours,
    /// It is ours to remove if it is an empty directory. A creator that was killed left no other, and
    /// nobody misses one.
    OursIfEmpty,
    /// It is another one.
    Other,
    /// It may be ours. Only the user can know.
    Unproven,
    /// It is in another directory than the one where ours was created.
    Elsewhere,
}

impl Evidence {
    /// Applies the table.
    pub(super) fn ruling(self) -> Ruling {
        if self.identity == Some(Proof::Same) {
            return Ruling::Proven;
        }
        if self.parent == Proof::Other {
            return Ruling::Elsewhere;
        }
        if !self.fits {
            return Ruling::Other;
        }
        let kept = match self.identity {
            Some(Proof::Other) => Ruling::Other,
            _ => Ruling::Unproven,
        };
        match (self.name, self.identity, self.protection) {
            (NameOrigin::Chosen, ..) => kept,
            (NameOrigin::Random, ..) if !self.is_dir => Ruling::Ours,
            (NameOrigin::Random, None, _) | (NameOrigin::Random, _, Protection::Shared) => {
                Ruling::OursIfEmpty
            }
            (NameOrigin::Random, _, Protection::Private) => Ruling::Ours,
            (NameOrigin::Random, _, Protection::Sticky) => {
                if self.is_open_to_others || self.is_weak { kept } else { Ruling::Ours }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOFS: [Proof; 3] = [Proof::Same, Proof::Other, Proof::Unproven];

    /// Returns all evidence that there can be.
    fn all() -> Vec<Evidence> {
        let mut all = Vec::new();
        let identities = PROOFS.map(Some).into_iter().chain([None]);
        for identity in identities {
            for parent in PROOFS {
                for protection in [Protection::Private, Protection::Sticky, Protection::Shared] {
                    for name in [NameOrigin::Random, NameOrigin::Chosen] {
                        for bits in 0..16_u8 {
                            let [fits, is_dir, is_open_to_others, is_weak] =
                                [1, 2, 4, 8].map(|bit| bits & bit != 0);
                            all.push(Evidence {
                                parent,
                                protection,
                                identity,
                                name,
                                fits,
                                is_dir,
                                is_open_to_others,
                                is_weak,
                            });
                        }
                    }
                }
            }
        }
        all
    }

    /// The table as the documentation has it: identity, name, directory around it, the entry, and what
    /// happens. A dash stands for anything. The first line that matches counts.
    const TABLE: &str = "
        same            -       -          -            proven
        -               -       elsewhere  -            elsewhere
        -               -       -          misfit       other
        none            random  -          file         ours
        none            random  -          dir          ours-if-empty
        other,unproven  random  private    -            ours
        other,unproven  random  sticky     file         ours
        other,unproven  random  sticky     closed-dir   ours
        other           random  sticky     dir          other
        unproven        random  sticky     dir          unproven
        other,unproven  random  shared     file         ours
        other,unproven  random  shared     dir          ours-if-empty
        other           chosen  -          -            other
        unproven,none   chosen  -          -            unproven";

    fn from_table(evidence: Evidence) -> Ruling {
        let identity = match evidence.identity {
            None => "none",
            Some(Proof::Same) => "same",
            Some(Proof::Other) => "other",
            Some(Proof::Unproven) => "unproven",
        };
        let name = match evidence.name {
            NameOrigin::Random => "random",
            NameOrigin::Chosen => "chosen",
        };
        let around = match evidence.protection {
            _ if evidence.parent == Proof::Other => "elsewhere",
            Protection::Private => "private",
            Protection::Sticky => "sticky",
            Protection::Shared => "shared",
        };
        let is_closed = !evidence.is_open_to_others && !evidence.is_weak;
        let is_entry = |word| match word {
            "misfit" => !evidence.fits,
            "file" => !evidence.is_dir,
            "dir" => evidence.is_dir,
            "closed-dir" => evidence.is_dir && is_closed,
            _ => true,
        };
        let has = |cell: &str, word: &str| cell == "-" || cell.split(',').any(|one| one == word);
        let line =
            TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|line| {
                let [ids, names, places, entry, _] = line[..] else { return false };
                has(ids, identity) && has(names, name) && has(places, around) && is_entry(entry)
            });
        match line.unwrap()[4] {
            "proven" => Ruling::Proven,
            "ours" => Ruling::Ours,
            "ours-if-empty" => Ruling::OursIfEmpty,
            "other" => Ruling::Other,
            "unproven" => Ruling::Unproven,
            _ => Ruling::Elsewhere,
        }
    }

    #[test]
    fn every_combination_is_ruled_as_the_table_says() {
        let all = all();
        assert_eq!(all.len(), 4 * 3 * 3 * 2 * 16);
        for evidence in all {
            assert_eq!(evidence.ruling(), from_table(evidence), "{evidence:?}");
        }
    }

    #[test]
    fn without_proof_no_directory_with_content_is_removed_that_others_could_have_moved_there() {
        for evidence in all().into_iter().filter(|one| one.identity != Some(Proof::Same)) {
            let others_may_move_it = match evidence.protection {
                Protection::Private => false,
                Protection::Sticky => evidence.is_open_to_others || evidence.is_weak,
                Protection::Shared => true,
            };
            if evidence.is_dir && others_may_move_it {
                assert_ne!(evidence.ruling(), Ruling::Ours, "{evidence:?}");
            }
        }
    }

    #[test]
    fn a_name_that_anybody_can_choose_and_another_directory_need_proof() {
        for evidence in all().into_iter().filter(|one| one.identity != Some(Proof::Same)) {
            if evidence.name == NameOrigin::Chosen
                || evidence.parent == Proof::Other
                || !evidence.fits
            {
                assert!(!matches!(evidence.ruling(), Ruling::Ours | Ruling::OursIfEmpty));
            }
        }
    }

    #[test]
    fn proof_removes_wherever_the_entry_is() {
        for evidence in all().into_iter().filter(|one| one.identity == Some(Proof::Same)) {
            assert_eq!(evidence.ruling(), Ruling::Proven);
        }
    }
}
