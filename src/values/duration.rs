//! Durations as users write and read them: `90` (seconds), `300ms`, `15m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The error for text that is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDuration;

impl fmt::Display for BadDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration such as 90 (seconds), 300ms, 15m, 1h30m or 2d")
    }
}

impl std::error::Error for BadDuration {}

impl FromStr for Span {
    type Err = BadDuration;

    /// Parses whole or decimal seconds (`90`, `0.5`), or numbers with the units of humantime, up to
    /// weeks.
    fn from_str(text: &str) -> Result<Self, BadDuration> {
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            let seconds: f64 = text.parse().map_err(|_| BadDuration)?;
            return Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| BadDuration);
        }
        // In humantime, M is a month and y a year. Elsewhere in tmpx, M is mega, and no lifetime is
        // that long.
        if text.contains(['M', 'y', 'Y']) || text.contains("month") {
            return Err(BadDuration);
        }
        humantime::parse_duration(text).map(Self).map_err(|_| BadDuration)
    }
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
        for bad in ["", "-1", "1x", ".", "1..2", "h", "99999999999999999999999999"] {
            assert_eq!(parse(bad), Err(BadDuration), "{bad}");
        }
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
