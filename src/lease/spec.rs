//! The terms of a lease, from the flags and the habits in the environment.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::lease::record::Lifetime;
use crate::os::{Env, Liveness, Namespaces, Process, processes};
use crate::values::error::usage;
use crate::values::{ErrorExt as _, Span};

/// What a lease is to say, known before it is written.
#[derive(Clone, Debug)]
pub(crate) struct LeaseSpec {
    /// When it ends.
    pub lifetime: Lifetime,
    /// The group it belongs to.
    pub session: Option<String>,
    /// The script that calls.
    pub caller: Option<Process>,
    /// Where this process belongs to.
    pub habitat: Namespaces,
}

/// Whose exit is to end a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UntilExit {
    /// The script's that called.
    Caller,
    /// This process's.
    Pid(u32),
}

/// What the command line says of a lifetime.
#[derive(Clone, Debug, Default)]
pub(crate) struct LifetimeOptions {
    /// `--until-exit[=PID]`
    pub until_exit: Option<UntilExit>,
    /// `--ttl DURATION`
    pub ttl: Option<Duration>,
    /// `--session NAME`
    pub session: Option<String>,
    /// `--keep`: manual, whatever the environment says.
    pub keep: bool,
}

/// Settles the terms of a lease. `args` are tmpx's own arguments, by which the calling script is
/// found; `note` is told where a habit in the environment cannot be followed.
pub(crate) fn resolve(
    wish: LifetimeOptions,
    env: &Env,
    args: &[OsString],
    note: &mut dyn FnMut(&str),
) -> anyhow::Result<LeaseSpec> {
    let caller = processes::caller(args);
    let session = match wish.session {
        Some(session) => Some(session),
        None => session_of(env)?,
    };
    let lifetime = if wish.keep {
        Lifetime::Manual
    } else {
        let owner = owner(wish.until_exit, env, caller, note)?;
        let ttl = match wish.ttl {
            Some(ttl) => Some(ttl),
            None => ttl_of(env)?,
        };
        let ttl_ms = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        if owner.is_some() || ttl_ms.is_some() {
            Lifetime::Bound { owner, ttl_ms }
        } else {
            Lifetime::Manual
        }
    };
    Ok(LeaseSpec { lifetime, session, caller, habitat: Namespaces::current() })
}

/// The variables that give a lifetime or a session to what is made.
const ENV_VARS: [&str; 3] = ["TMPX_SESSION", "TMPX_TTL", "TMPX_UNTIL_EXIT"];

/// The terms that the environment alone asks for, and `None` where it asks for nothing. A
/// `TMPX_UNTIL_EXIT` that is no script above asks for nothing: it was meant for another one.
pub(crate) fn from_env(env: &Env, args: &[OsString]) -> anyhow::Result<Option<LeaseSpec>> {
    if ENV_VARS.iter().all(|variable| env.get(variable).is_none()) {
        return Ok(None);
    }
    let terms = resolve(LifetimeOptions::default(), env, args, &mut |_| ())?;
    let asked = terms.session.is_some() || terms.lifetime != Lifetime::Manual;
    Ok(asked.then_some(terms))
}

fn session_of(env: &Env) -> anyhow::Result<Option<String>> {
    let Some(name) = env.get("TMPX_SESSION") else {
        return Ok(None);
    };
    name.into_string().map(Some).map_err(|_| usage("TMPX_SESSION is not UTF-8"))
}

fn ttl_of(env: &Env) -> anyhow::Result<Option<Duration>> {
    let Some(text) = env.get("TMPX_TTL") else {
        return Ok(None);
    };
    let span: Result<Span, _> = text.to_string_lossy().parse();
    match span {
        Ok(Span(ttl)) => Ok(Some(ttl)),
        Err(err) => Err(usage(format!("TMPX_TTL={}: {err}", text.to_string_lossy()))),
    }
}

fn owner(
    wish: Option<UntilExit>,
    env: &Env,
    caller: Option<Process>,
    note: &mut dyn FnMut(&str),
) -> anyhow::Result<Option<Process>> {
    match wish {
        Some(UntilExit::Caller) => caller
            .map(Some)
            .context("could not find the calling script")
            .hint("name it: --until-exit=$$"),
        Some(UntilExit::Pid(pid)) => owner_from_flag(pid).map(Some),
        None => Ok(env.get("TMPX_UNTIL_EXIT").and_then(|pid| owner_from_env(&pid, note))),
    }
}

/// The process that the command line names.
fn owner_from_flag(pid: u32) -> anyhow::Result<Process> {
    let process = Process::find(pid).filter(|process| process.liveness() == Liveness::Alive);
    let process = process.ok_or_else(|| anyhow!("--until-exit={pid}: there is no such process"))?;
    if processes::is_ours(pid) {
        Ok(process)
    } else {
        Err(anyhow!("--until-exit={pid}: it belongs to another user"))
    }
}

/// The process that the environment names, where it is what the variable is meant for: the script
/// above. A daemon or a terminal multiplexer that was started by the script inherits the variable
/// too, and outlives it.
fn owner_from_env(pid: &OsString, note: &mut dyn FnMut(&str)) -> Option<Process> {
    let number: Option<u32> = pid.to_str().and_then(|pid| pid.trim().parse().ok());
    let above = number.and_then(|pid| processes::ancestors().find(|ancestor| ancestor.pid == pid));
    if above.is_none() {
        let what = match number {
            Some(_) => "is no running script above this one",
            None => "is not the number of a process",
        };
        let pid = pid.to_string_lossy();
        note(&format!("TMPX_UNTIL_EXIT={pid} {what}; made without a lifetime"));
    }
    above
}
