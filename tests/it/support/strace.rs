//! The calls of a run, as strace(1) counts them.

use std::collections::HashMap;

/// Numbers the calls of each name from 1 on. `when=N` of an injection is this number, for a set of
/// names too: `inject=all:when=N` meets the first call that is number N of its name, and no other.
pub(crate) fn numbered(calls: &[String]) -> Vec<(&str, usize)> {
    let mut counts = HashMap::new();
    let number = |name| {
        let count = counts.entry(name).or_insert(0);
        *count += 1;
        (name, *count)
    };
    calls.iter().map(String::as_str).map(number).collect()
}

/// Asserts that a test has killed tmpx at almost all calls. Their number varies a little from run to
/// run, and a kill at the last one may come too late.
pub(crate) fn assert_often_killed(killed: usize, calls: &[String]) {
    let all = calls.len();
    assert!(killed + 1 + all / 10 >= all, "killed at {killed} calls of {all}");
}

/// The errors to inject into the call at this place of a run. All errors at all calls take more than a quarter
/// of an hour, so they need `TMPX_STRESS`. Otherwise each call gets one of them, in turn, and another one with
/// musl, which the full gate tests too.
pub(crate) fn errors_for<'a>(call: usize, errors: &[&'a str]) -> Vec<&'a str> {
    if std::env::var_os("TMPX_STRESS").is_some() {
        return errors.to_vec();
    }
    let at = if cfg!(target_env = "musl") { call + errors.len() / 2 } else { call };
    vec![errors[at % errors.len()]]
}
