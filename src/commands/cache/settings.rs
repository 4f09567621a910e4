//! The settings that have a variable: how long outputs are kept, and how many.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::commands::errors::InvalidUse;
use crate::os::Env;
use crate::values::{ByteSize, Span};

/// How long an output is kept by default.
const TTL: Duration = Duration::from_hours(1);

/// How many bytes are kept by default.
const MAX_BYTES: u64 = 1 << 30;

/// Returns the TTL: the option's, that of the variable, or an hour.
pub(super) fn ttl(option: Option<Span>, env: &Env) -> Result<Duration, InvalidUse> {
    const NAME: &str = "TMPX_CACHE_TTL";
    if let Some(Span(ttl)) = option {
        return Ok(ttl);
    }
    match variable::<Span>(NAME, env)? {
        Some(Span(ttl)) if ttl.is_zero() => Err(InvalidUse::BadVariable {
            name: NAME,
            value: env.get(NAME).unwrap_or_default(),
            why: "not a positive duration".into(),
        }),
        Some(Span(ttl)) => Ok(ttl),
        None => Ok(TTL),
    }
}

/// Returns the bound on the store: the option's, that of the variable, or a gibibyte.
pub(super) fn max_bytes(option: Option<ByteSize>, env: &Env) -> Result<u64, InvalidUse> {
    let size = match option {
        None => variable("TMPX_CACHE_MAX", env)?,
        size => size,
    };
    Ok(size.map_or(MAX_BYTES, |ByteSize(bytes)| bytes))
}

fn variable<T: FromStr<Err: Display>>(
    name: &'static str,
    env: &Env,
) -> Result<Option<T>, InvalidUse> {
    let Some(value) = env.get(name) else { return Ok(None) };
    let parsed = value.to_str().unwrap_or("").parse();
    parsed.map(Some).map_err(|err: T::Err| {
        let why = err.to_string();
        InvalidUse::BadVariable { name, value, why }
    })
}
