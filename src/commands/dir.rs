//! `tmpx dir`: make directories, print their paths.

use super::{note_all, refuse_mktemp_habits};
use crate::cli::Dir;
use crate::error::Status;
use crate::lease::create::{Naming, Wanted};
use crate::lease::record::Kind;
use crate::making::Making;
use crate::output::{self, Output};
use crate::report::Made;
use crate::template::Template;
use crate::{Context, terms};

pub(super) fn run(args: Dir, context: &Context) -> anyhow::Result<Status> {
    refuse_mktemp_habits(&args.habits, "dir")?;
    let terms = terms::settle(
        args.lifetime.into(),
        &context.env,
        &context.args,
        &mut |note| {
            output::note(note);
        },
    )?;
    let (dir, template) = Template::choose(
        args.template,
        args.place.prefix.as_ref(),
        args.place.suffix.as_ref(),
    );
    let wanted = Wanted {
        kind: Kind::Dir,
        name: args.name.map_or(Naming::Random(template), Naming::Exact),
        mode: args.place.mode,
    };
    let mut output = Output::new(args.output.format());
    let mut making = Making::new(terms, &context.env)?;
    making.make_all(
        dir.or(args.place.dir).as_deref(),
        &wanted,
        args.make.count,
        &mut |_| Ok(()),
        &mut |lease, place, names, last| {
            Made::tell_all(&mut output, lease, place, names, Kind::Dir)?;
            if last { output.flush() } else { Ok(()) }
        },
    )?;
    note_all(making.take_notes());
    making.tidy_up();
    Ok(Status::Done)
}
