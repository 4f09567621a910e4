//! Tests of the folder as a whole: entries are created under a lease, and the lease is read back.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{fs, io};

use rustix::fs::fstat;

use crate::fs::Dir;
use crate::lease::create_error::{CreateError, FillError};
use crate::lease::entry::{CreateOptions, NameRule, create, create_one};
use crate::lease::reader::Content;
use crate::lease::record::{Kind, Lifetime, Record};
use crate::lease::spec::LeaseSpec;
use crate::lease::store::{Store, StoreError, Stores};
use crate::lease::tmpfile::TmpFile;
use crate::lease::writer::Lease;
use crate::os::{Env, Namespaces, Random};
use crate::values::{ExactName, Template};

/// A directory for resources, and a state directory beside it.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        Self(root)
    }

    fn lease(&self) -> Lease {
        let state = self.0.path().join("state");
        let stores = Stores::new(&Env::fixed(&[("TMPX_STATE_DIR", state.to_str().unwrap())]));
        let namespaces = Namespaces::current();
        let spec =
            LeaseSpec { lifetime: Lifetime::Manual, session: None, caller: None, namespaces };
        Lease::new(stores.unwrap(), spec, Random::system())
    }

    fn dir(&self) -> Dir {
        Dir::open(&self.0.path().join("tmp")).unwrap()
    }

    fn store(&self) -> Store {
        Store::open(&self.0.path().join("state"), false).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path().join("tmp")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn only_record(&self) -> Record {
        let store = self.store();
        let mut records = store.records().unwrap().map(|(_, read)| read.unwrap().content);
        match (records.next(), records.next()) {
            (Some(Content::Record(record)), None) => *record,
            other => panic!("{other:?}"),
        }
    }
}

fn random(kind: Kind) -> CreateOptions {
    let name = NameRule::Random(Template::new(None, None));
    CreateOptions { kind, name, mode: None, keep_open: false }
}

fn exact(name: &str) -> CreateOptions {
    let name = NameRule::Exact(ExactName::parse(name.into()).unwrap());
    CreateOptions { kind: Kind::File, name, mode: None, keep_open: false }
}

#[test]
fn a_lease_lists_what_was_created_and_whether_it_was_committed() {
    let fixture = Fixture::new();
    let (mut lease, dir) = (fixture.lease(), fixture.dir());
    let created = create(&mut lease, &dir, &random(Kind::File), 3, None).unwrap();
    let record = fixture.only_record();
    assert!(!record.header.committed);
    let recorded: Vec<_> = record.resources.iter().map(|one| one.name.as_os_str()).collect();
    assert_eq!(recorded, created.iter().map(|one| &*one.name).collect::<Vec<_>>());
    assert!(record.resources.iter().all(|resource| resource.identity.is_some()));
    lease.commit().unwrap();
    assert!(fixture.only_record().header.committed);
}

#[test]
fn the_descriptor_is_kept_only_if_the_caller_asks_for_it() {
    let fixture = Fixture::new();
    let (mut lease, dir) = (fixture.lease(), fixture.dir());
    for kind in [Kind::File, Kind::Dir] {
        let options = random(kind);
        let closed = create_one(&mut lease, &dir, &options, None).unwrap();
        assert!(closed.fd.is_none());
        let options = CreateOptions { keep_open: true, ..options };
        let open = create_one(&mut lease, &dir, &options, None).unwrap();
        let stat = fstat(open.fd.unwrap()).unwrap();
        assert_eq!(stat.st_ino, fs::metadata(dir.join(&open.name)).unwrap().ino());
    }
}

#[test]
fn a_taken_name_gets_a_number_and_no_hidden_name_is_left() {
    let fixture = Fixture::new();
    let (mut lease, dir) = (fixture.lease(), fixture.dir());
    fs::write(dir.path().join("a.csv"), "theirs").unwrap();
    let created = create(&mut lease, &dir, &exact("a.csv"), 2, None).unwrap();
    assert_eq!(created[1].name, "a_2.csv");
    assert_eq!(fixture.names(), ["a.csv", "a_1.csv", "a_2.csv"]);
    assert_eq!(fs::read_to_string(dir.path().join("a.csv")).unwrap(), "theirs");
}

#[test]
fn an_announced_exchange_leaves_one_resource_that_only_an_identity_proves() {
    let fixture = Fixture::new();
    let mut lease = fixture.lease();
    fs::write(fixture.0.path().join("tmp/old"), "").unwrap();
    let old = fs::File::open(fixture.0.path().join("tmp/old")).unwrap();
    let mut new = TmpFile::create_linkable(&mut lease, fixture.dir(), 0o600).unwrap();
    new.create_link(&mut lease).unwrap();
    let before = fixture.only_record().resources;
    assert!(before[0].run.is_some() && before[0].exchanged.is_none());
    new.cover_exchange(&mut lease, &old).unwrap();
    let after = fixture.only_record().resources;
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].run, &after[0].identity), (None, &before[0].identity));
    assert!(after[0].exchanged.is_some() && after[0].exchanged != after[0].identity);
}

#[test]
fn a_file_that_cannot_be_filled_is_removed_and_the_cause_stays_in_the_chain() {
    #[derive(Debug, thiserror::Error)]
    #[error("stop")]
    struct Stop;

    let fixture = Fixture::new();
    let (mut lease, dir) = (fixture.lease(), fixture.dir());
    let mut fill = |_: &_| Err(FillError::Other(Stop.into()));
    let err = create_one(&mut lease, &dir, &random(Kind::File), Some(&mut fill)).unwrap_err();
    assert!(matches!(err, CreateError::NotFilled { .. }));
    assert!(anyhow::Error::from(err).chain().any(<dyn std::error::Error>::is::<Stop>));
    assert_eq!(fixture.names(), [""; 0]);
}

#[test]
fn a_directory_that_refuses_entries_is_told_from_a_store_that_does() {
    let fixture = Fixture::new();
    let (mut lease, dir) = (fixture.lease(), fixture.dir());
    fs::remove_dir(dir.path()).unwrap();
    let err = create_one(&mut lease, &dir, &random(Kind::Dir), None).unwrap_err();
    assert_eq!(err.unusable_dir().map(io::Error::kind), Some(io::ErrorKind::NotFound));

    let fixture = Fixture::new();
    let (mut lease, dir) = (fixture.lease(), fixture.dir());
    fs::write(fixture.0.path().join("state"), "").unwrap();
    let err = create_one(&mut lease, &dir, &random(Kind::Dir), None).unwrap_err();
    assert!(matches!(err, CreateError::Lease(StoreError::NotWritable { .. })), "{err:?}");
    assert!(err.unusable_dir().is_none());
    assert_eq!(fixture.names(), [""; 0], "nothing exists without a lease");
}

#[test]
fn records_come_by_age_and_a_lease_that_was_deleted_meanwhile_is_skipped() {
    let fixture = Fixture::new();
    let dir = fixture.dir();
    let mut leases = [fixture.lease(), fixture.lease(), fixture.lease()];
    for lease in &mut leases {
        create_one(lease, &dir, &random(Kind::File), None).unwrap();
    }
    // An id begins with the time.
    leases.sort_by_key(|lease| lease.id().to_owned());
    let store = fixture.store();
    let mut records = store.records().unwrap();
    let (first, read) = records.next().unwrap();
    assert_eq!(first, leases[0].id());
    assert!(read.unwrap().locked);
    let (store, locked) = leases[1].locked().unwrap().unwrap();
    assert!(Path::new(store.path()).ends_with("state/leases"));
    locked.delete().unwrap();
    let rest: Vec<String> = records.map(|(id, _)| id).collect();
    assert_eq!(rest, [leases[2].id()]);
}
