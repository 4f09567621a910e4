//! `tmpx mktemp`, and tmpx called through a link named `mktemp`: GNU mktemp to the byte.
//!
//! There are two differences. If the output cannot be printed, GNU mktemp leaves its file behind, and
//! tmpx removes it. And with `TMPX_SESSION`, `TMPX_TTL` or a `TMPX_UNTIL_EXIT` that names a running
//! ancestor, the file is leased, so that scripts which do not know tmpx leave nothing behind either.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::cli;
use crate::commands::context::Context;
use crate::commands::errors;
use crate::commands::mktemp::diagnostic::Diagnostic;
use crate::commands::mktemp::options::{MktempOptions, Request};
use crate::commands::mktemp::target::MktempTarget;
use crate::create::Transaction;
use crate::fs::Dir;
use crate::lease::unleased::{as_path, unused_path};
use crate::lease::{CreateError, CreateOptions, Kind, LeaseSpec, NameRule, Unleased};
use crate::os::Random;
use crate::ui::{Format, Output, print_help};
use crate::values::Status;

/// Whether tmpx was called by a path that ends in `mktemp`.
pub(crate) fn is_name(program: &OsStr) -> bool {
    program.as_bytes().rsplit(|&byte| byte == b'/').next() == Some(b"mktemp")
}

pub(crate) fn run(args: &[OsString], context: &Context) -> Status {
    let request = Request::parse(args, context.env.is_set("POSIXLY_CORRECT"));
    let quiet = matches!(&request, Ok(Request::Create(MktempOptions { quiet: true, .. })));
    let done = request.and_then(|request| match request {
        Request::Help => print_help(&cli::mktemp_help()).map_err(|err| Diagnostic::write(&err)),
        Request::Version => print(VERSION.as_bytes()),
        Request::Create(options) => create(&options, context),
    });
    match done {
        Ok(()) => Status::Success,
        Err(diagnostic) => {
            diagnostic.print(quiet);
            Status::Failed
        }
    }
}

/// In the format of the GNU tools: scripts read the last word as the version.
const VERSION: &str = concat!("mktemp (tmpx) ", env!("CARGO_PKG_VERSION"), "\n");

fn create(options: &MktempOptions<'_>, context: &Context) -> Result<(), Diagnostic> {
    let target = MktempTarget::resolve(options, &context.env)?;
    if options.dry_run {
        return print_unused_path(options.kind, &target);
    }
    match LeaseSpec::from_env(&context.env).map_err(Diagnostic::of_lease)? {
        None => create_unleased(options.kind, &target),
        Some(spec) => create_leased(options.kind, &target, spec, context),
    }
}

/// `--dry-run`.
fn print_unused_path(kind: Kind, target: &MktempTarget) -> Result<(), Diagnostic> {
    let mut random = Random::system();
    let path = unused_path(&mut || target.random_path(&mut random))
        .map_err(|err| target.creation_failed(kind, &err))?;
    print_path(as_path(&path))
}

fn create_unleased(kind: Kind, target: &MktempTarget) -> Result<(), Diagnostic> {
    let mut random = Random::system();
    let created = Unleased::create(kind, &mut || target.random_path(&mut random))
        .map_err(|err| target.creation_failed(kind, &err))?;
    print_path(created.path()).map_err(Diagnostic::quiet_suppresses)?;
    created.keep();
    Ok(())
}

fn create_leased(
    kind: Kind,
    target: &MktempTarget,
    spec: LeaseSpec,
    context: &Context,
) -> Result<(), Diagnostic> {
    let dir = target.open_dir(kind)?;
    let mut transaction = Transaction::new(spec, &context.env).map_err(Diagnostic::of_lease)?;
    let created = create_and_commit(kind, target, &dir, &mut transaction).map_err(|diagnostic| {
        if transaction.rollback() {
            diagnostic
        } else {
            diagnostic.with_hint(errors::NOT_ROLLED_BACK)
        }
    });
    context.finish(transaction);
    created
}

fn create_and_commit(
    kind: Kind,
    target: &MktempTarget,
    dir: &Dir,
    transaction: &mut Transaction,
) -> Result<(), Diagnostic> {
    let name = NameRule::Random(target.template.clone());
    let options = CreateOptions { kind, name, mode: None, keep_open: false };
    let created = transaction.create_one_in(dir, &options).map_err(|err| match err {
        CreateError::Refused { source, .. } => target.creation_failed(kind, &source),
        err => Diagnostic::of_lease(err).quiet_suppresses(),
    })?;
    print_path(&target.path(&created.name)).map_err(Diagnostic::quiet_suppresses)?;
    let committed = transaction.lease_mut().commit();
    committed.map_err(|err| Diagnostic::of_lease(err).quiet_suppresses())
}

fn print_path(path: &Path) -> Result<(), Diagnostic> {
    print(&[path.as_os_str().as_bytes(), b"\n"].concat())
}

fn print(text: &[u8]) -> Result<(), Diagnostic> {
    let mut output = Output::new(Format::Lines);
    let written = output.text(text).and_then(|()| output.flush());
    written.map_err(|err| Diagnostic::write(&err))
}
