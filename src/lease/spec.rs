//! What the options and the environment ask of a lease.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::time::Duration;

use crate::lease::record::Lifetime;
use crate::os::{Env, Liveness, Namespaces, Process, processes};
use crate::values::Span;
use crate::values::duration::BadDuration;

/// What a lease is to record, known before it is written.
#[derive(Clone, Debug)]
pub(crate) struct LeaseSpec {
    /// When the lease ends.
    pub lifetime: Lifetime,
    /// The name that groups it with other leases.
    pub session: Option<String>,
    /// The script that called tmpx.
    pub caller: Option<Process>,
    /// The boot and the namespaces of this process.
    pub namespaces: Namespaces,
}

/// The process whose exit ends a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UntilExit {
    /// The script that called tmpx.
    Caller,
    Pid(u32),
}

/// The lifetime options of a command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct LifetimeOptions {
    /// `--until-exit[=PID]`
    pub until_exit: Option<UntilExit>,
    /// `--ttl DURATION`
    pub ttl: Option<Duration>,
    /// `--session NAME`
    pub session: Option<String>,
    /// `--keep`: the lifetime is manual, whatever the environment says.
    pub keep: bool,
}

/// Why a lifetime or a session cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("could not find the calling script")]
    NoCaller,
    #[error("could not watch the process: /proc does not show it")]
    ProcessesUnknown,
    #[error("no such process")]
    NoSuchOwner(u32),
    #[error("the process belongs to another user")]
    ForeignOwner(u32),
    #[error("TMPX_SESSION is not UTF-8")]
    SessionNotUtf8,
    #[error("TMPX_TTL={text}")]
    BadTtl { text: String, source: BadDuration },
}

/// A `TMPX_UNTIL_EXIT` that names no running ancestor, and so no owner.
///
/// It is no error. A daemon or a terminal multiplexer that a script started inherits the variable,
/// and outlives the script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IgnoredOwner {
    value: String,
    /// Whether the value is a number.
    is_pid: bool,
}

impl fmt::Display for IgnoredOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = if self.is_pid { "a running ancestor" } else { "a process ID" };
        write!(f, "TMPX_UNTIL_EXIT={} is not {expected}; created without a lifetime", self.value)
    }
}

impl LeaseSpec {
    /// Combines the options with the environment. Also returns the `TMPX_UNTIL_EXIT` that had to be
    /// ignored, if there is one.
    pub(crate) fn resolve(
        options: LifetimeOptions,
        env: &Env,
    ) -> Result<(Self, Option<IgnoredOwner>), SpecError> {
        let mut spec = Self::for_command(options.session, env)?;
        if options.keep {
            return Ok((Self { lifetime: Lifetime::Manual, ..spec }, None));
        }
        let (owner, ignored) = match options.until_exit {
            Some(UntilExit::Caller) if !processes::are_visible() => {
                return Err(SpecError::ProcessesUnknown);
            }
            Some(UntilExit::Caller) => {
                let script = spec.caller.and_then(processes::beyond_pipeline);
                (Some(script.ok_or(SpecError::NoCaller)?), None)
            }
            Some(UntilExit::Pid(pid)) => (Some(owner_from_flag(pid)?), None),
            None => match env.get("TMPX_UNTIL_EXIT").map(|value| owner_from_env(&value)) {
                None => (None, None),
                Some(Ok(owner)) => (Some(owner), None),
                Some(Err(ignored)) => (None, Some(ignored)),
            },
        };
        let ttl = match options.ttl {
            Some(ttl) => Some(ttl),
            None => ttl_from_env(env)?,
        };
        let milliseconds = |ttl: Duration| u64::try_from(ttl.as_nanos().div_ceil(1_000_000));
        // A tiny time to live is rounded up, never to none.
        let ttl_ms = ttl.map(|ttl| milliseconds(ttl).unwrap_or(u64::MAX));
        spec.lifetime = if owner.is_some() || ttl_ms.is_some() {
            Lifetime::Bound { owner, ttl_ms }
        } else {
            Lifetime::Manual
        };
        Ok((spec, ignored))
    }

    /// Returns the spec for resources that exist only while tmpx and its command run. They belong to
    /// this session, or to the one in the environment.
    pub(crate) fn for_command(session: Option<String>, env: &Env) -> Result<Self, SpecError> {
        let caller = processes::caller(env.args());
        let session = match session {
            Some(session) => Some(session),
            None => session_from_env(env)?,
        };
        let namespaces = Namespaces::current();
        Ok(Self { lifetime: Lifetime::Command, session, caller, namespaces })
    }

    /// Returns the spec that the environment alone asks for, and `None` if it asks for nothing. A
    /// `TMPX_UNTIL_EXIT` that names no running ancestor asks for nothing: it was meant for another
    /// script.
    pub(crate) fn from_env(env: &Env) -> Result<Option<Self>, SpecError> {
        if ENV_VARS.iter().all(|variable| env.get(variable).is_none()) {
            return Ok(None);
        }
        let (spec, _) = Self::resolve(LifetimeOptions::default(), env)?;
        let asks = spec.session.is_some() || spec.lifetime != Lifetime::Manual;
        Ok(asks.then_some(spec))
    }
}

/// The variables that set a lifetime or a session.
const ENV_VARS: [&str; 3] = ["TMPX_SESSION", "TMPX_TTL", "TMPX_UNTIL_EXIT"];

fn session_from_env(env: &Env) -> Result<Option<String>, SpecError> {
    let session = env.get("TMPX_SESSION").map(OsString::into_string);
    session.transpose().map_err(|_| SpecError::SessionNotUtf8)
}

fn ttl_from_env(env: &Env) -> Result<Option<Duration>, SpecError> {
    let Some(text) = env.get("TMPX_TTL") else { return Ok(None) };
    let text = text.to_string_lossy();
    match text.parse() {
        Ok(Span(ttl)) => Ok(Some(ttl)),
        Err(source) => Err(SpecError::BadTtl { text: text.into_owned(), source }),
    }
}

/// Returns the process that the command line names as the owner.
fn owner_from_flag(pid: u32) -> Result<Process, SpecError> {
    if !processes::are_visible() {
        return Err(SpecError::ProcessesUnknown);
    }
    let process = Process::find(pid).filter(|process| process.liveness() == Liveness::Alive);
    let process = process.ok_or(SpecError::NoSuchOwner(pid))?;
    if processes::is_ours(pid) { Ok(process) } else { Err(SpecError::ForeignOwner(pid)) }
}

/// Returns the process that the environment names as the owner, if it is an ancestor of tmpx.
fn owner_from_env(value: &OsStr) -> Result<Process, IgnoredOwner> {
    let pid: Option<u32> = value.to_str().and_then(|value| value.trim().parse().ok());
    let owner = pid.and_then(|pid| processes::ancestors().find(|ancestor| ancestor.pid == pid));
    owner.ok_or_else(|| IgnoredOwner {
        value: value.to_string_lossy().into_owned(),
        is_pid: pid.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        options: LifetimeOptions,
        variables: &[(&str, &str)],
    ) -> Result<(LeaseSpec, Option<IgnoredOwner>), SpecError> {
        LeaseSpec::resolve(options, &Env::fixed(variables))
    }

    #[test]
    fn options_come_before_variables_and_keep_before_both() {
        let variables = [("TMPX_TTL", "1h"), ("TMPX_SESSION", "env")];
        let (spec, _) = resolve(LifetimeOptions::default(), &variables).unwrap();
        assert_eq!(spec.lifetime, Lifetime::Bound { owner: None, ttl_ms: Some(3_600_000) });
        assert_eq!(spec.session.as_deref(), Some("env"));
        let options = LifetimeOptions {
            ttl: Some(Duration::from_secs(1)),
            session: Some("option".into()),
            ..LifetimeOptions::default()
        };
        let (spec, _) = resolve(options.clone(), &variables).unwrap();
        assert_eq!(spec.lifetime, Lifetime::Bound { owner: None, ttl_ms: Some(1000) });
        assert_eq!(spec.session.as_deref(), Some("option"));
        let (spec, _) = resolve(LifetimeOptions { keep: true, ..options }, &variables).unwrap();
        assert_eq!(spec.lifetime, Lifetime::Manual);
    }

    #[test]
    fn a_variable_names_an_owner_only_if_that_is_an_ancestor() {
        let parent = processes::ancestors().next().unwrap();
        let pid = parent.pid.to_string();
        let (spec, ignored) =
            resolve(LifetimeOptions::default(), &[("TMPX_UNTIL_EXIT", &pid)]).unwrap();
        assert_eq!(spec.lifetime, Lifetime::Bound { owner: Some(parent), ttl_ms: None });
        assert_eq!(ignored, None);
        let this = std::process::id().to_string();
        for value in [this.as_str(), "nonsense"] {
            let variables = [("TMPX_UNTIL_EXIT", value)];
            let (spec, ignored) = resolve(LifetimeOptions::default(), &variables).unwrap();
            assert_eq!(spec.lifetime, Lifetime::Manual);
            assert!(ignored.unwrap().to_string().contains(value));
            assert!(LeaseSpec::from_env(&Env::fixed(&variables)).unwrap().is_none());
        }
    }

    #[test]
    fn an_environment_that_asks_for_nothing_gives_no_spec() {
        assert!(LeaseSpec::from_env(&Env::fixed(&[("TMPX_TTL", "")])).unwrap().is_none());
        let session = LeaseSpec::from_env(&Env::fixed(&[("TMPX_SESSION", "s")])).unwrap();
        assert_eq!(session.unwrap().lifetime, Lifetime::Manual);
    }

    #[test]
    fn what_cannot_be_used_is_an_error_of_its_own() {
        let ttl = resolve(LifetimeOptions::default(), &[("TMPX_TTL", "soon")]);
        assert!(matches!(ttl, Err(SpecError::BadTtl { .. })));
        let until_exit = Some(UntilExit::Pid(u32::MAX));
        let owner = resolve(LifetimeOptions { until_exit, ..LifetimeOptions::default() }, &[]);
        assert!(matches!(owner, Err(SpecError::NoSuchOwner(u32::MAX))));
    }
}
