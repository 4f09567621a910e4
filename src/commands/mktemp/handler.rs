//! `tmpx mktemp`, and tmpx called through a link named `mktemp`: GNU mktemp to the byte.
//!
//! It differs in one point: where GNU mktemp leaves a file behind because its reader is gone, this
//! one takes it back. And in one more, when asked: with `TMPX_SESSION`, `TMPX_TTL` or a
//! `TMPX_UNTIL_EXIT` that names a script above, what it makes is leased, so that scripts which know
//! nothing of tmpx leave nothing behind.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::cli::command as cli;
use crate::commands::context::Context;
use crate::commands::mktemp::diagnostic::Complaint;
use crate::commands::mktemp::options::{Options, Request};
use crate::commands::mktemp::target::Target;
use crate::create::transaction::Making;
use crate::lease::entry::{CouldNotCreate, Naming, Wanted};
use crate::lease::record::Kind;
use crate::lease::spec as terms;
use crate::lease::unleased::{Unrecorded, as_path, unused_path};
use crate::lease::writer::Terms;
use crate::os::random::Entropy;
use crate::ui::stdout::{Format, Output};
use crate::values::error::Status;

/// mktemp's own arguments, where a command line is one for mktemp: by the name that tmpx was called
/// by, or as a subcommand.
pub(crate) fn arguments(args: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = args.split_first()?;
    let called = program.as_bytes().rsplit(|&byte| byte == b'/').next();
    if called == Some(b"mktemp") {
        return Some(rest);
    }
    let (subcommand, rest) = rest.split_first()?;
    (subcommand == "mktemp").then_some(rest)
}

pub(crate) fn run(args: &[OsString], context: &Context) -> Status {
    let request = Request::read(args, context.env.is_set("POSIXLY_CORRECT"));
    let quiet = matches!(&request, Ok(Request::Make(Options { quiet: true, .. })));
    let done = request.and_then(|request| match request {
        Request::Help => print(cli::mktemp_help().as_bytes()),
        Request::Version => print(VERSION.as_bytes()),
        Request::Make(options) => make(&options, context),
    });
    match done {
        Ok(()) => Status::Done,
        Err(complaint) => {
            complaint.tell(quiet);
            Status::Failed
        }
    }
}

/// In the form that GNU's tools give, so that who asks for the last word gets the number.
const VERSION: &str = concat!("mktemp (tmpx) ", env!("CARGO_PKG_VERSION"), "\n");

fn make(options: &Options<'_>, context: &Context) -> Result<(), Complaint> {
    let target = Target::settle(options, &context.env)?;
    if options.dry_run {
        return name_only(options.kind, &target);
    }
    match terms::of_habits(&context.env, &context.args) {
        Ok(None) => make_unrecorded(options.kind, &target),
        Ok(Some(terms)) => make_leased(options.kind, &target, terms, context),
        Err(err) => Err(Complaint::of_lease(&err)),
    }
}

/// `--dry-run`.
fn name_only(kind: Kind, target: &Target) -> Result<(), Complaint> {
    let mut entropy = Entropy::system();
    let path = unused_path(&mut || target.random_path(&mut entropy))
        .map_err(|err| target.not_made(kind, &err))?;
    print_path(as_path(&path))
}

fn make_unrecorded(kind: Kind, target: &Target) -> Result<(), Complaint> {
    let mut entropy = Entropy::system();
    let made = Unrecorded::make(kind, &mut || target.random_path(&mut entropy))
        .map_err(|err| target.not_made(kind, &err))?;
    print_path(made.path()).map_err(Complaint::hushable)?;
    made.give();
    Ok(())
}

fn make_leased(
    kind: Kind,
    target: &Target,
    terms: Terms,
    context: &Context,
) -> Result<(), Complaint> {
    let wanted = Wanted { kind, name: Naming::Random(target.template.clone()), mode: None };
    let place = target.open_place(kind)?;
    let mut making = Making::new(terms, &context.env).map_err(|err| Complaint::of_lease(&err))?;
    let told = making.attempt(|making| {
        for made in making.more(&place, &wanted, 1, &mut |_| Ok(()))? {
            print_path(&target.path(&made.name)).map_err(Complaint::hushable)?;
        }
        making.lease.give()
    });
    making.conclude(&context.env);
    told.map_err(|err| match err.downcast() {
        Ok(complaint) => complaint,
        Err(err) => match cause_of_no_creation(&err) {
            Some(cause) => target.not_made(kind, cause),
            None => Complaint::of_lease(&err).hushable(),
        },
    })
}

/// Why nothing could be made, where that is what went wrong.
fn cause_of_no_creation(err: &anyhow::Error) -> Option<&io::Error> {
    err.downcast_ref::<CouldNotCreate>()?;
    err.root_cause().downcast_ref()
}

fn print_path(path: &Path) -> Result<(), Complaint> {
    print(&[path.as_os_str().as_bytes(), b"\n"].concat())
}

fn print(text: &[u8]) -> Result<(), Complaint> {
    let mut output = Output::new(Format::Lines);
    let written = output.text(text).and_then(|()| output.flush());
    written.map_err(|err| Complaint::write(&err))
}
