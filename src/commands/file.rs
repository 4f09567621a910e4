//! `tmpx file`: make files, print their paths.

use std::path::Path;

use super::{note_all, refuse_mktemp_habits};
use crate::cli::File;
use crate::error::Status;
use crate::lease::create::{Naming, Wanted};
use crate::lease::record::Kind;
use crate::making::Making;
use crate::output::{self, Output};
use crate::report::Made;
use crate::source::Source;
use crate::template::Template;
use crate::{Context, terms};

pub(super) fn run(args: File, context: &Context) -> anyhow::Result<Status> {
    refuse_mktemp_habits(&args.habits, "file")?;
    let terms = terms::settle(
        args.lifetime.into(),
        &context.env,
        &context.args,
        &mut |note| {
            output::note(note);
        },
    )?;
    let mut source = match args.from {
        None => None,
        Some(from) if from == "-" => Some(Source::stdin()?),
        Some(from) => Some(Source::open(Path::new(&from))?),
    };
    let (dir, template) = Template::choose(
        args.template,
        args.place.prefix.as_ref(),
        args.place.suffix.as_ref(),
    );
    let wanted = Wanted {
        kind: Kind::File,
        name: args.name.map_or(Naming::Random(template), Naming::Exact),
        mode: args.place.mode,
    };
    let mut output = Output::new(args.output.format());
    let mut making = Making::new(terms, &context.env)?;
    making.make_all(
        dir.or(args.place.dir).as_deref(),
        &wanted,
        args.make.count,
        &mut |file| source.as_mut().map_or(Ok(()), |source| source.fill(file)),
        &mut |lease, place, names, last| {
            Made::tell_all(&mut output, lease, place, names, Kind::File)?;
            if last { output.flush() } else { Ok(()) }
        },
    )?;
    note_all(making.take_notes());
    making.tidy_up();
    Ok(Status::Done)
}
