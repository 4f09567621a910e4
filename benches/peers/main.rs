//! Measures tmpx beside the tools that it stands in for, as whole processes: `cargo bench`.
//!
//! Only ratios are worth quoting: the speed of a machine wanders, but two runs in a row share it. So
//! runs come in pairs, and the reported ratio is the median of the pairs' ratios. All runs have the
//! same fixed environment and find a temp dir in a known state. The preparation is outside of the
//! timed part, which lasts from spawn to exit. No figure fails the run.

mod build;
mod disk;
mod reaper;
mod row;
mod scratch;
mod system;
mod table;
mod trees;

use clap::Parser;

use row::{Ground, Row, row};

/// A gibibyte through a program, from the fastest writer to the fastest reader.
const GIBIBYTE: &str = r#"dd if=/dev/zero bs=256K count=4096 status=none | "$@" |
    dd of=/dev/null bs=1M status=none"#;

/// Prints 100 MiB that are kept.
const LARGE_HIT: &str = "cache run -- head -c 100M /dev/zero";
const LARGE_HIT_OF_BKT: &str = "bkt --cache-dir CACHE --ttl 1h -- head -c 100M /dev/zero";

/// A program's output through a pipe.
const INTO_A_PIPE: &str = r#""$@" | dd of=/dev/null bs=1M status=none"#;

/// Measures tmpx and its peers side by side
#[derive(Parser)]
struct BenchArgs {
    /// Print only the rows that begin with one of these
    names: Vec<String>,
    /// Run this many pairs for each row
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl BenchArgs {
    fn runs(&self) -> Option<usize> {
        self.runs.map(usize::from)
    }

    fn selects(&self, row: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| row.starts_with(name.as_str()))
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().collect();
    if let [_, word, count] = args.as_slice()
        && word == scratch::BARE_LOOP
    {
        return scratch::create_files(&std::env::temp_dir(), count.parse()?);
    }
    let args = BenchArgs::parse();
    let locations = system::locations();
    let installation = scratch::own_dir(&locations[1])?;
    let builds = build::all(installation.path(), &locations)?;
    table::print_heading(&locations);
    for row in rows().iter().filter(|row| args.selects(&row.name)) {
        for build in &builds {
            row.measure(build, args.runs())?;
        }
    }
    // Time spent in the kernel does not depend on the C library: one build is enough.
    let build = &builds[0];
    trees::measure(&locations, build, args.runs(), &|row| args.selects(row))?;
    if args.selects(reaper::ROW) {
        reaper::measure(build, args.runs().unwrap_or(101))?;
    }
    Ok(())
}

/// The rows, in the order of the table.
fn rows() -> Vec<Row> {
    vec![
        row("file", "mktemp", &[0.33, 0.6]),
        row("file", "busybox mktemp", &[0.42]),
        row("file", "mktemp", &[1.0, 1.2]).in_c_locale(),
        row("file", "mktemp", &[]).on_disk(),
        row("file --count 100000", "bare-loop 100000", &[1.5]).on(Ground::Empty, ""),
        row("list", "GLIBC list", &[1.05]).on(Ground::Leases(1000), ", 1000 leases"),
        row("exec true", "sh -c TRAP", &[0.42]),
        row("mktemp", "mktemp", &[0.2, 0.4]),
        row("mktemp", "busybox mktemp", &[0.26]),
        row("mktemp", "mktemp", &[1.0, 0.8]).in_c_locale(),
        row("spool", "sponge", &[1.0]).reading(b"0123456789", ", 10 bytes"),
        row("spool", "sponge", &[0.33]).within(GIBIBYTE, ", 1 GiB"),
        row("spool", "cat", &[2.0]).within(GIBIBYTE, ", 1 GiB"),
        row("spool", "sponge", &[0.33]).within(GIBIBYTE, ", 1 GiB").on_disk(),
        row("spool", "cat", &[2.0]).within(GIBIBYTE, ", 1 GiB").on_disk(),
        row("cache run -- echo x", "bkt --cache-dir CACHE --ttl 1h -- echo x", &[0.4, 0.25]),
        row(LARGE_HIT, LARGE_HIT_OF_BKT, &[0.2]).on(Ground::Empty, ""),
        row(LARGE_HIT, LARGE_HIT_OF_BKT, &[0.3]).within(INTO_A_PIPE, ", into a pipe"),
        row(
            "cache run --refresh -- true",
            "bkt --cache-dir CACHE --ttl 1h --force -- true",
            &[0.6],
        ),
        row("cache run --refresh --max-bytes 4G -- head -c 1G /dev/zero", "sh -c TEE", &[1.3])
            .within(INTO_A_PIPE, ", into a pipe"),
        row("cleanup --all -q", "rm -rf TREE", &[]).on(Ground::Files(20_000), ", 20000 files"),
        row("cleanup --all -q", "systemd-tmpfiles --clean RULES", &[])
            .on(Ground::Files(20_000), ", 20000 files"),
    ]
}
