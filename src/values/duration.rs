//! Durations as users write and read them: `90` (seconds), `300ms`, `15m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::values::decimal::Decimal;

/// A duration from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The error for text that is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDuration;

impl fmt::Display for BadDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration such as 90 (seconds), 300ms, 15m, 1h30m, 2d or 1w")
    }
}

impl std::error::Error for BadDuration {}

/// The units, in nanoseconds. Months and years are missing: their length varies, and `M` is mega
/// elsewhere in tmpx.
const UNITS: [(&[&str], u64); 8] = [
    (&["ns", "nsec", "nsecs", "nanosecond", "nanoseconds"], 1),
    (&["us", "µs", "usec", "usecs", "microsecond", "microseconds"], 1_000),
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["m", "min", "mins", "minute", "minutes"], 60 * 1_000_000_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3600 * 1_000_000_000),
    (&["d", "day", "days"], 86_400 * 1_000_000_000),
    (&["w", "week", "weeks"], 7 * 86_400 * 1_000_000_000),
];

impl FromStr for Span {
    type Err = BadDuration;

    /// Parses seconds (`90`, `0.5`), or numbers with units (`1h30m`, `1.5 days`). A part of a
    /// nanosecond counts as a whole one, so that a tiny duration is never none. A duration that is too
    /// long becomes the longest possible one.
    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(BadDuration);
        }
        if let Some(seconds) = Decimal::parse(rest) {
            return Ok(Self(duration(seconds.times(1_000_000_000))));
        }
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
            let (unit, after) = split(after.trim_start(), |c| !c.is_ascii_digit() && c != '.');
            let number = Decimal::parse(number).ok_or(BadDuration)?;
            let unit = unit.trim_end();
            let known = UNITS.iter().find(|(names, _)| names.contains(&unit));
            let &(_, factor) = known.ok_or(BadDuration)?;
            nanos = nanos.saturating_add(number.times(factor));
            rest = after;
        }
        Ok(Self(duration(nanos)))
    }
}

/// Splits a text after the leading characters of a kind.
fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// Returns a duration of this many nanoseconds, or the longest one.
fn duration(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / 1_000_000_000);
    let below = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, below))
}

impl fmt::Display for Span {
    /// Prints the two largest units, which fit a table: `3d 4h`, `12m 5s`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [
            (seconds / 86400, 'd'),
            (seconds / 3600 % 24, 'h'),
            (seconds / 60 % 60, 'm'),
            (seconds % 60, 's'),
        ];
        let first = units.iter().position(|&(count, _)| count > 0).unwrap_or(units.len() - 1);
        write!(f, "{}{}", units[first].0, units[first].1)?;
        match units.get(first + 1) {
            Some(&(count, unit)) if count > 0 => write!(f, " {count}{unit}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_forms_are_parsed() {
        let parse = |text: &str| text.parse::<Span>().map(|span| span.0.as_millis());
        assert_eq!(parse("90"), Ok(90_000));
        assert_eq!(parse("0.5"), Ok(500));
        assert_eq!(parse("300ms"), Ok(300));
        assert_eq!(parse("15m"), Ok(900_000));
        assert_eq!(parse("1h30m"), Ok(5_400_000));
        assert_eq!(parse("2d"), Ok(172_800_000));
        for bad in ["", " ", "-1", "1x", ".", "1..2", "h", "1h30", "1M", "1month", "1y", "1 2s"] {
            assert_eq!(parse(bad), Err(BadDuration), "{bad}");
        }
    }

    #[test]
    fn spelled_out_and_separated_units_are_parsed() {
        let parse = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!(parse("1day"), Ok(86_400));
        assert_eq!(parse("7 days"), Ok(604_800));
        assert_eq!(parse("1 week 2 days"), Ok(777_600));
        assert_eq!(parse("1.5h"), Ok(5400));
        assert_eq!(parse(" 15 min "), Ok(900));
    }

    #[test]
    fn a_tiny_duration_is_rounded_up_and_a_huge_one_saturates() {
        let parse = |text: &str| text.parse::<Span>().map(|span| span.0);
        let nanosecond = Ok(Duration::from_nanos(1));
        for tiny in ["0.5ns", "0.0000000001", "0.00000000000000000000000000000000000001s"] {
            assert_eq!(parse(tiny), nanosecond, "{tiny}");
        }
        assert_eq!(parse("0.000"), Ok(Duration::ZERO));
        assert_eq!(parse("99999999999999999999999999"), Ok(Duration::MAX));
        let digits = "9".repeat(60);
        assert_eq!(parse(&format!("{digits}w")), Ok(Duration::MAX));
        assert_eq!(parse(&format!("{digits}w{digits}d")), Ok(Duration::MAX));
    }

    #[test]
    fn at_most_two_units_are_printed() {
        let print = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!(print(0), "0s");
        assert_eq!(print(59), "59s");
        assert_eq!(print(725), "12m 5s");
        assert_eq!(print(3600), "1h");
        assert_eq!(print(3 * 86400 + 4 * 3600 + 5), "3d 4h");
        assert_eq!(print(86400 + 5), "1d");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Span>();
        }
    }
}
