//! `tmpx cache run`: prints what a command printed before, or runs it and keeps what it prints.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Context as _;
use rustix::stdio::{stderr, stdout};

use crate::cache::{
    Answer, Asker, CacheEntry, CacheKey, CacheRequest, CacheStore, Capture, Execution, KeyInputs,
    Outlets, Permit, RefreshSpec, RunResult, StoredOutput, Unkept, is_refresh, milliseconds,
    resolve,
};
use crate::cli::CacheRunArgs;
use crate::commands::cache::output::print;
use crate::commands::cache::settings;
use crate::commands::cache::stdin_copy::StdinCopy;
use crate::commands::context::Context;
use crate::commands::errors::{InvalidUse, print_error, status_of};
use crate::commands::scratch::{find_report, with_scratch, write_report};
use crate::create::Scratch;
use crate::fs::disk_full::stdout_failed;
use crate::lease::TmpFile;
use crate::os::CurrentDir;
use crate::process::{self, Command, check_interrupt, open_no_input};
use crate::sys::SignalQueue;
use crate::ui::CacheReport;
use crate::values::Status;
use crate::values::message::render;

pub(super) fn run(args: &CacheRunArgs, context: &Context) -> anyhow::Result<Status> {
    // This comes first, since it closes what the caller has passed.
    let is_background = is_refresh(context.env.args());
    let ttl = settings::ttl(args.ttl, &context.env)?;
    let max_bytes = settings::max_bytes(args.max_bytes, &context.env)?;
    let stale = args.stale.map(|span| span.0);
    if stale.is_some_and(|stale| stale >= ttl) {
        return Err(InvalidUse::StaleNotBelowTtl.into());
    }
    if args.key_file.iter().any(|file| file.as_os_str() == "-") {
        return Err(InvalidUse::KeyFileFromStdin.into());
    }
    let report = args.report.as_deref().filter(|_| !is_background);
    report.map(find_report).transpose()?;
    with_scratch(context, |scratch| {
        let stdin = if args.key_stdin { Some(StdinCopy::read(scratch)?) } else { None };
        let search_dir = CurrentDir::current();
        let mut job = CacheJob { args, context, search_dir, stdin, ttl, is_background, scratch };
        let (key, store) = match job.key_and_store() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Status::Success),
            Err(err) => return job.run_uncached(Unkept::Trouble(err)),
        };
        let request = CacheRequest {
            key: &key,
            ttl,
            stale,
            refresh: args.refresh && !is_background,
            keep_failures: args.cache_failures,
            max_bytes,
            asker: if is_background {
                Asker::Refresh
            } else if Execution::is_inside(&context.env) {
                Asker::Run
            } else {
                Asker::Caller
            },
        };
        match resolve(&store, request) {
            Ok(Answer::Stored(stored)) => {
                // A small output comes first. The reader of a large one may take long.
                if stored.is_stale && stored.entry.is_large() {
                    job.refresh(&store, &key);
                }
                let status = job.print_stored(&stored);
                if stored.is_stale && !stored.entry.is_large() {
                    job.refresh(&store, &key);
                }
                status
            }
            Ok(Answer::Failed(entry)) => job.print_failure(&entry),
            Ok(Answer::Run(permit)) => job.run_and_keep(permit, &key, &store, max_bytes),
            Ok(Answer::Refreshed) => Ok(Status::Success),
            Err(err) => job.run_uncached(Unkept::Trouble(err.into())),
        }
    })
}

/// A run of `tmpx cache run`.
struct CacheJob<'a, 's, 'e> {
    args: &'a CacheRunArgs,
    context: &'a Context,
    search_dir: CurrentDir,
    stdin: Option<StdinCopy>,
    ttl: Duration,
    is_background: bool,
    scratch: &'s mut Scratch<'e>,
}

impl CacheJob<'_, '_, '_> {
    /// Returns the key and the store, or `None` if the store of a refresh does not exist any more.
    fn key_and_store(&self) -> anyhow::Result<Option<(CacheKey, CacheStore)>> {
        let key = self.inputs().key()?;
        let store = if self.is_background {
            CacheStore::open(&self.context.env)?
        } else {
            Some(CacheStore::open_or_create(&self.context.env)?)
        };
        Ok(store.map(|store| (key, store)))
    }

    fn inputs(&self) -> KeyInputs<'_> {
        KeyInputs {
            words: &self.args.command,
            env: &self.context.env,
            search_dir: &self.search_dir,
            uses_cwd: !self.args.ignore_cwd,
            extra: &self.args.key,
            variables: &self.args.key_env,
            files: &self.args.key_file,
            stdin: self.stdin.as_ref().map(|stdin| stdin.hash),
        }
    }

    /// Prints an output that is stored.
    fn print_stored(&mut self, stored: &StoredOutput) -> anyhow::Result<Status> {
        let StoredOutput { entry, age, is_stale } = stored;
        print(entry)?;
        entry.mark_used();
        let status = Status::from(entry.header.status);
        Ok(self.write_report(status, |report| CacheReport {
            status: if *is_stale { "stale" } else { "hit" },
            age_ms: Some(milliseconds(*age)),
            ttl_ms: report.ttl_ms.min(entry.header.ttl_ms),
            bytes: entry.header.bytes,
            ..report
        }))
    }

    /// Prints how the run failed that this process has waited for.
    fn print_failure(&mut self, entry: &CacheEntry) -> anyhow::Result<Status> {
        print(entry)?;
        let status = Status::from(entry.header.status);
        Ok(self.write_report(status, |report| CacheReport {
            why: Some(Unkept::Failed.reason()),
            bytes: entry.header.bytes,
            ..report
        }))
    }

    /// Starts the refresh of a stale output, unless its command runs already.
    fn refresh(&self, store: &CacheStore, key: &CacheKey) {
        if store.is_running(key) {
            return;
        }
        let stdin = self.stdin.as_ref().map(StdinCopy::open).transpose();
        if let Ok(stdin) = stdin {
            let Context { env, signals } = self.context;
            RefreshSpec { env, signals: *signals, stdin }.start();
        }
    }

    /// Runs the command, and keeps its output if that can be.
    fn run_and_keep(
        &mut self,
        mut permit: Permit<'_>,
        key: &CacheKey,
        store: &CacheStore,
        max_bytes: u64,
    ) -> anyhow::Result<Status> {
        let status = self.execute(Some(&mut permit), None, key);
        permit.finish();
        if let Ok((_, size)) = &status {
            store.tidy(key, *size, max_bytes);
        }
        status.map(|(status, _)| status)
    }

    /// Runs the command without the cache, for this reason.
    fn run_uncached(&mut self, why: Unkept) -> anyhow::Result<Status> {
        if self.is_background {
            return Ok(Status::Failed);
        }
        self.execute(None, Some(why), &CacheKey::new()).map(|(status, _)| status)
    }

    /// Runs the command. Returns its status, and the size of the new entry.
    fn execute(
        &mut self,
        permit: Option<&mut Permit<'_>>,
        unkept: Option<Unkept>,
        key: &CacheKey,
    ) -> anyhow::Result<(Status, u64)> {
        let signals = SignalQueue::open(self.context.signals);
        check_interrupt(&signals)?;
        // Nobody reads what a refresh prints. Once it is not kept either, the command gets SIGPIPE.
        let open = if self.is_background { Outlets::unread } else { Outlets::new };
        let mut outlets = open(stdout(), stderr());
        // What the command needs comes first: descriptors may not suffice for the rest.
        let ran = self.open_stdin().and_then(|stdin| match Capture::new(signals) {
            Ok(capture) => self.run_captured(permit, unkept, key, stdin, capture, &mut outlets),
            Err(err) if self.is_background => Err(err),
            Err(err) => self.run_plainly(stdin, err),
        });
        let RunResult { status, bytes, kept } = match ran {
            Ok(result) => result,
            Err(err) => {
                let status = status_of(&err).unwrap_or(Status::TmpxFailed);
                let why = Some(render(&err));
                self.write_report(status, |report| CacheReport { why, ..report });
                return Err(err);
            }
        };
        let mut exit = status;
        if let Some(err) = outlets.into_stdout_error() {
            print_error(&stdout_failed(stdout(), err));
            exit = Status::TmpxFailed;
        }
        let exit = match &kept {
            Ok(_) => {
                self.write_report(exit, |report| CacheReport { status: "miss", bytes, ..report })
            }
            Err(why) => {
                let why = Some(why.reason());
                self.write_report(exit, |report| CacheReport { why, bytes, ..report })
            }
        };
        let size = match kept {
            Ok(size) => size,
            Err(Unkept::Trouble(err)) => {
                print_error(&err);
                0
            }
            Err(_) => 0,
        };
        Ok((exit, size))
    }

    /// Runs the command without taking its output, which could not be set up.
    fn run_plainly(&self, stdin: OwnedFd, err: anyhow::Error) -> anyhow::Result<RunResult> {
        let signals = SignalQueue::open(self.context.signals);
        check_interrupt(&signals)?;
        let status = process::run(self.command(stdin), &signals)?.status;
        Ok(RunResult { status, bytes: 0, kept: Err(Unkept::Trouble(err)) })
    }

    /// Opens the standard input of the command.
    fn open_stdin(&self) -> anyhow::Result<OwnedFd> {
        match &self.stdin {
            Some(stdin) => stdin.open(),
            None => open_no_input().context("could not open /dev/null"),
        }
    }

    fn command(&self, stdin: OwnedFd) -> Command<'_> {
        let words = self.args.command.clone();
        let mut command = Command::new(words, &self.context.env, &self.search_dir);
        command.pass_fd(stdin, 0);
        command
    }

    fn run_captured(
        &mut self,
        mut permit: Option<&mut Permit<'_>>,
        unkept: Option<Unkept>,
        key: &CacheKey,
        stdin: OwnedFd,
        capture: Capture,
        outlets: &mut Outlets,
    ) -> anyhow::Result<RunResult> {
        let filler = match (unkept, permit.as_deref_mut()) {
            (None, Some(permit)) => {
                let scratch = &mut *self.scratch;
                permit.begin(&mut |dir| Ok(TmpFile::create_hidden(scratch.lease()?, dir, 0o600)?))
            }
            (why, _) => Err(why.unwrap_or(Unkept::Failed)),
        };
        let filler = match filler {
            // It would run in vain, and others beside it.
            Err(why) if self.is_background => {
                return Ok(RunResult { status: Status::Failed, bytes: 0, kept: Err(why) });
            }
            filler => filler,
        };
        let command = self.command(stdin);
        // What the command has read is not known, so the key must be the same before and after.
        let is_same = || self.inputs().key().is_ok_and(|now| now == *key);
        Execution::start(command, capture, outlets, permit, filler, &is_same)?.run()
    }

    /// Writes the report, if the user asked for one. `complete` fills in the rest.
    fn write_report(
        &mut self,
        status: Status,
        complete: impl FnOnce(CacheReport) -> CacheReport,
    ) -> Status {
        let file = self.args.report.as_deref().filter(|_| !self.is_background);
        let report = complete(CacheReport {
            status: "uncached",
            why: None,
            age_ms: None,
            ttl_ms: milliseconds(self.ttl),
            bytes: 0,
            exit: status.code(),
        });
        let scratch = &mut *self.scratch;
        write_report(file, &report, status, || scratch.lease())
    }
}
