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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_bounded_by_a_gibibyte_unless_the_variable_or_the_option_says_otherwise() {
        let bound =
            |option, variables: &[(&str, &str)]| max_bytes(option, &Env::fixed(variables)).ok();
        assert_eq!(bound(None, &[]), Some(1 << 30));
        assert_eq!(bound(None, &[("TMPX_CACHE_MAX", "2M")]), Some(2 << 20));
        assert_eq!(bound(Some(ByteSize(7)), &[("TMPX_CACHE_MAX", "2M")]), Some(7));
        assert_eq!(bound(None, &[("TMPX_CACHE_MAX", "much")]), None);
    }
}
