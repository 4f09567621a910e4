//! `tmpx mktemp`, and tmpx called through a link named `mktemp`: GNU mktemp to the byte.
//!
//! It differs in one point: where GNU mktemp leaves a file behind because its reader is gone, this
//! one takes it back. And in one more, when asked: with `TMPX_SESSION`, `TMPX_TTL` or a
//! `TMPX_UNTIL_EXIT` that names a script above, what it makes is leased, so that scripts which know
//! nothing of tmpx leave nothing behind.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::cli;
use crate::commands::context::Context;
use crate::commands::mktemp::diagnostic::Diagnostic;
use crate::commands::mktemp::options::{MktempOptions, Request};
use crate::commands::mktemp::target::MktempTarget;
use crate::create::Transaction;
use crate::lease::unleased::{as_path, unused_path};
use crate::lease::{CreateError, CreateOptions, Kind, LeaseSpec, NameRule, Unleased, spec};
use crate::os::Random;
use crate::ui::{Format, Output};
use crate::values::Status;

/// Whether tmpx was called by a path that ends in `mktemp`.
pub(crate) fn is_name(program: &OsStr) -> bool {
    program.as_bytes().rsplit(|&byte| byte == b'/').next() == Some(b"mktemp")
}

pub(crate) fn run(args: &[OsString], context: &Context) -> Status {
    let request = Request::read(args, context.env.is_set("POSIXLY_CORRECT"));
    let quiet = matches!(&request, Ok(Request::Make(MktempOptions { quiet: true, .. })));
    let done = request.and_then(|request| match request {
        Request::Help => print(cli::mktemp_help().as_bytes()),
        Request::Version => print(VERSION.as_bytes()),
        Request::Make(options) => create(&options, context),
    });
    match done {
        Ok(()) => Status::Success,
        Err(complaint) => {
            complaint.print(quiet);
            Status::Failed
        }
    }
}

/// In the form that GNU's tools give, so that who asks for the last word gets the number.
const VERSION: &str = concat!("mktemp (tmpx) ", env!("CARGO_PKG_VERSION"), "\n");

fn create(options: &MktempOptions<'_>, context: &Context) -> Result<(), Diagnostic> {
    let target = MktempTarget::resolve(options, &context.env)?;
    if options.dry_run {
        return name_only(options.kind, &target);
    }
    match spec::from_env(&context.env, &context.args) {
        Ok(None) => create_unleased(options.kind, &target),
        Ok(Some(terms)) => create_leased(options.kind, &target, terms, context),
        Err(err) => Err(Diagnostic::of_lease(&err)),
    }
}

/// `--dry-run`.
fn name_only(kind: Kind, target: &MktempTarget) -> Result<(), Diagnostic> {
    let mut random = Random::system();
    let path = unused_path(&mut || target.random_path(&mut random))
        .map_err(|err| target.creation_failed(kind, &err))?;
    print_path(as_path(&path))
}

fn create_unleased(kind: Kind, target: &MktempTarget) -> Result<(), Diagnostic> {
    let mut random = Random::system();
    let made = Unleased::create(kind, &mut || target.random_path(&mut random))
        .map_err(|err| target.creation_failed(kind, &err))?;
    print_path(made.path()).map_err(Diagnostic::quiet_suppresses)?;
    made.keep();
    Ok(())
}

fn create_leased(
    kind: Kind,
    target: &MktempTarget,
    terms: LeaseSpec,
    context: &Context,
) -> Result<(), Diagnostic> {
    let wanted = CreateOptions {
        kind,
        name: NameRule::Random(target.template.clone()),
        mode: None,
        keep_open: false,
    };
    let place = target.open_place(kind)?;
    let mut transaction =
        Transaction::new(terms, &context.env).map_err(|err| Diagnostic::of_lease(&err))?;
    let told = transaction.or_rollback(|transaction| {
        let created = transaction.create_one_in(&place, &wanted)?;
        print_path(&target.path(&created.name)).map_err(Diagnostic::quiet_suppresses)?;
        transaction.lease.commit()
    });
    transaction.finish(&context.env);
    told.map_err(|err| match err.downcast() {
        Ok(complaint) => complaint,
        Err(err) => match creation_error(&err) {
            Some(cause) => target.creation_failed(kind, cause),
            None => Diagnostic::of_lease(&err).quiet_suppresses(),
        },
    })
}

/// Why nothing could be made, where that is what went wrong.
fn creation_error(err: &anyhow::Error) -> Option<&io::Error> {
    err.downcast_ref::<CreateError>()?;
    err.root_cause().downcast_ref()
}

fn print_path(path: &Path) -> Result<(), Diagnostic> {
    print(&[path.as_os_str().as_bytes(), b"\n"].concat())
}

fn print(text: &[u8]) -> Result<(), Diagnostic> {
    let mut output = Output::new(Format::Lines);
    let written = output.text(text).and_then(|()| output.flush());
    written.map_err(|err| Diagnostic::write(&err))
}
