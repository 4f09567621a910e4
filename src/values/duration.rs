//! Durations as the user writes and reads them: `90` (seconds), `300ms`, `15m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a duration was refused.
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

    /// Reads whole or decimal seconds (`90`, `0.5`), or numbers with units as humantime has them, up
    /// to weeks.
    fn from_str(text: &str) -> Result<Self, BadDuration> {
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            let seconds: f64 = text.parse().map_err(|_| BadDuration)?;
            return Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| BadDuration);
        }
        // humantime's M is a month, and its y a year; here M is mega, and neither lasts so long.
        if text.contains(['M', 'y', 'Y']) || text.contains("month") {
            return Err(BadDuration);
        }
        humantime::parse_duration(text).map(Self).map_err(|_| BadDuration)
    }
}

impl fmt::Display for Span {
    /// The two largest units, which is what fits a table: `3d 4h`, `12m 5s`, `0s`.
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
    fn the_documented_forms_are_read() {
        let read = |text: &str| text.parse::<Span>().map(|span| span.0.as_millis());
        assert_eq!(read("90"), Ok(90_000));
        assert_eq!(read("0.5"), Ok(500));
        assert_eq!(read("300ms"), Ok(300));
        assert_eq!(read("15m"), Ok(900_000));
        assert_eq!(read("1h30m"), Ok(5_400_000));
        assert_eq!(read("2d"), Ok(172_800_000));
        for bad in ["", "-1", "1x", ".", "1..2", "h", "99999999999999999999999999"] {
            assert_eq!(read(bad), Err(BadDuration), "{bad}");
        }
    }

    #[test]
    fn two_units_are_shown_at_most() {
        let show = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!(show(0), "0s");
        assert_eq!(show(59), "59s");
        assert_eq!(show(725), "12m 5s");
        assert_eq!(show(3600), "1h");
        assert_eq!(show(3 * 86400 + 4 * 3600 + 5), "3d 4h");
        assert_eq!(show(86400 + 5), "1d");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Span>();
        }
    }
}
