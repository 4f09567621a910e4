//! Parses command lines as GNU's `getopt_long(3)` does.
//!
//! Short options may form clusters (`-dq`, `-pDIR`), long options may be abbreviated to any unambiguous
//! prefix, values may follow `=`, options may follow operands, and `--` ends the options. Scripts
//! written for a GNU tool rely on the abbreviations and on the wording of the errors; clap has neither.
//!
//! A [`Reader`] yields the arguments from left to right. For a caller that collects the operands, this
//! is equivalent to getopt's permutation.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasArg {
    No,
    /// The value is the rest of the argument, or the next argument.
    Required,
    /// The value, if any, follows `=`. Only long options can have this.
    Optional,
}

/// The definition of an option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptSpec<T> {
    pub(crate) short: Option<u8>,
    pub(crate) long: Option<&'static str>,
    pub(crate) has_arg: HasArg,
    /// Identifies the option in [`Arg::Option`].
    pub(crate) id: T,
}

/// An argument of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg<'a, T> {
    /// The id of an option, and its value.
    Option(T, Option<&'a OsStr>),
    Operand(&'a OsStr),
}

/// Why an option was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadOption<'a> {
    UnknownShort(u8),
    UnknownLong(&'a [u8]),
    /// An abbreviation, and the long options that it may stand for.
    Ambiguous(&'a [u8], Vec<&'static str>),
    ShortWithoutValue(u8),
    LongWithoutValue(&'static str),
    /// A value was given to a long option that takes none.
    UnexpectedValue(&'static str),
}

impl BadOption<'_> {
    /// Returns the message in glibc's words. It contains arguments byte for byte.
    pub(crate) fn message(&self) -> Vec<u8> {
        match self {
            Self::UnknownShort(letter) => [b"invalid option -- '", &[*letter][..], b"'"].concat(),
            Self::UnknownLong(name) => [b"unrecognized option '--", *name, b"'"].concat(),
            Self::Ambiguous(name, candidates) => {
                let mut text = [b"option '--", *name, b"' is ambiguous; possibilities:"].concat();
                for candidate in candidates {
                    text.extend_from_slice(b" '--");
                    text.extend_from_slice(candidate.as_bytes());
                    text.push(b'\'');
                }
                text
            }
            Self::ShortWithoutValue(letter) => {
                [b"option requires an argument -- '", &[*letter][..], b"'"].concat()
            }
            Self::LongWithoutValue(name) => {
                format!("option '--{name}' requires an argument").into_bytes()
            }
            Self::UnexpectedValue(name) => {
                format!("option '--{name}' doesn't allow an argument").into_bytes()
            }
        }
    }
}

/// Parses arguments, without the name of the program.
#[derive(Debug)]
pub(crate) struct Reader<'a, T> {
    specs: &'a [OptSpec<T>],
    args: std::slice::Iter<'a, OsString>,
    /// The rest of a cluster of short options.
    cluster: &'a [u8],
    operands_only: bool,
    stops_at_operand: bool,
}

impl<'a, T: Copy> Reader<'a, T> {
    /// With `stops_at_operand`, everything after the first operand is an operand too, as POSIX
    /// requires and `POSIXLY_CORRECT` requests.
    pub(crate) fn new(
        specs: &'a [OptSpec<T>],
        args: &'a [OsString],
        stops_at_operand: bool,
    ) -> Self {
        Self { specs, args: args.iter(), cluster: &[], operands_only: false, stops_at_operand }
    }

    fn short(&mut self, letter: u8, rest: &'a [u8]) -> Result<Arg<'a, T>, BadOption<'a>> {
        self.cluster = rest;
        let spec = self.specs.iter().find(|spec| spec.short == Some(letter));
        let spec = spec.ok_or(BadOption::UnknownShort(letter))?;
        if spec.has_arg != HasArg::Required {
            return Ok(Arg::Option(spec.id, None));
        }
        self.cluster = &[];
        let value = if rest.is_empty() {
            self.args.next().map(OsString::as_os_str)
        } else {
            Some(OsStr::from_bytes(rest))
        };
        match value {
            Some(_) => Ok(Arg::Option(spec.id, value)),
            None => Err(BadOption::ShortWithoutValue(letter)),
        }
    }

    /// Parses a long option; `text` is the argument without the two dashes.
    fn long(&mut self, text: &'a [u8]) -> Result<Arg<'a, T>, BadOption<'a>> {
        let (name, attached) = match text.iter().position(|&byte| byte == b'=') {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]))),
            None => (text, None),
        };
        let (spec, long) = self.find_long(name, text)?;
        let value = match spec.has_arg {
            HasArg::No if attached.is_some() => {
                return Err(BadOption::UnexpectedValue(long));
            }
            HasArg::Required if attached.is_none() => {
                let next = self.args.next().map(OsString::as_os_str);
                Some(next.ok_or(BadOption::LongWithoutValue(long))?)
            }
            _ => attached,
        };
        Ok(Arg::Option(spec.id, value))
    }

    /// Finds the long option with this name, or the only one that begins with it.
    fn find_long(
        &self,
        name: &[u8],
        text: &'a [u8],
    ) -> Result<(&'a OptSpec<T>, &'static str), BadOption<'a>> {
        let with_long = |spec: &'a OptSpec<T>| spec.long.map(|long| (spec, long));
        let mut candidates = Vec::new();
        for (spec, long) in self.specs.iter().filter_map(with_long) {
            if long.as_bytes() == name {
                return Ok((spec, long));
            }
            if long.as_bytes().starts_with(name) {
                candidates.push((spec, long));
            }
        }
        match candidates[..] {
            [] => Err(BadOption::UnknownLong(text)),
            [only] => Ok(only),
            _ => {
                let names = candidates.into_iter().map(|(_, long)| long).collect();
                Err(BadOption::Ambiguous(text, names))
            }
        }
    }
}

impl<'a, T: Copy> Iterator for Reader<'a, T> {
    type Item = Result<Arg<'a, T>, BadOption<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let [letter, rest @ ..] = self.cluster {
            return Some(self.short(*letter, rest));
        }
        let arg = self.args.next()?;
        match arg.as_bytes() {
            _ if self.operands_only => Some(Ok(Arg::Operand(arg))),
            b"--" => {
                self.operands_only = true;
                self.next()
            }
            [b'-', b'-', text @ ..] => Some(self.long(text)),
            [b'-', letter, rest @ ..] => Some(self.short(*letter, rest)),
            _ => {
                self.operands_only = self.stops_at_operand;
                Some(Ok(Arg::Operand(arg)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt as _;

    const SPECS: [OptSpec<char>; 5] = [
        spec(Some(b'a'), Some("all"), HasArg::No, 'a'),
        spec(Some(b'b'), Some("alter"), HasArg::No, 'b'),
        spec(Some(b'v'), Some("value"), HasArg::Required, 'v'),
        spec(None, Some("maybe"), HasArg::Optional, 'm'),
        spec(None, Some("alt"), HasArg::No, 'x'),
    ];

    const fn spec(
        short: Option<u8>,
        long: Option<&'static str>,
        has_arg: HasArg,
        id: char,
    ) -> OptSpec<char> {
        OptSpec { short, long, has_arg, id }
    }

    /// Parses a line and writes the result in one string: options as their ids, values after `=`,
    /// operands in brackets, errors as their messages.
    fn read(line: &str, posix: bool) -> String {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let words: Vec<String> = Reader::new(&SPECS, &args, posix)
            .map(|item| match item {
                Ok(Arg::Option(id, None)) => id.to_string(),
                Ok(Arg::Option(id, Some(value))) => format!("{id}={}", value.display()),
                Ok(Arg::Operand(operand)) => format!("[{}]", operand.display()),
                Err(bad) => String::from_utf8(bad.message()).unwrap(),
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn short_options_form_clusters_and_the_value_is_the_rest_or_the_next_argument() {
        assert_eq!(read("-ab -abvx -av --all -b", false), "a b a b v=x a v=--all b");
        assert_eq!(read("-ab -Z", false), "a b invalid option -- 'Z'");
        assert_eq!(read("-av", false), "a option requires an argument -- 'v'");
    }

    #[test]
    fn long_options_may_be_abbreviated_if_unambiguous() {
        assert_eq!(
            read("--al", false),
            "option '--al' is ambiguous; possibilities: '--all' '--alter' '--alt'"
        );
        assert_eq!(read("--alt --alte --v=1 --v 2 --value=", false), "x b v=1 v=2 v=");
        assert_eq!(
            read("--=q", false),
            "option '--=q' is ambiguous; possibilities: '--all' '--alter' '--value' '--maybe' '--alt'"
        );
        assert_eq!(read("--alto=1", false), "unrecognized option '--alto=1'");
        assert_eq!(read("--alte=1", false), "option '--alter' doesn't allow an argument");
        assert_eq!(read("--val", false), "option '--value' requires an argument");
    }

    #[test]
    fn an_optional_value_must_follow_an_equals_sign() {
        assert_eq!(read("--maybe x --m= --may=y", false), "m [x] m= m=y");
    }

    #[test]
    fn options_may_follow_operands_unless_posix_is_requested() {
        assert_eq!(read("x -a - -- -b --", false), "[x] a [-] [-b] [--]");
        assert_eq!(read("-a x -b", true), "a [x] [-b]");
        assert_eq!(read("-a -- x -b", true), "a [x] [-b]");
    }

    proptest! {
        #[test]
        fn the_reader_neither_panics_nor_loops_on_any_arguments(
            args in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..8),
                    "-{0,3}[abvx=Z]{0,6}".prop_map(String::into_bytes),
                    "--(all?|alt?e?r?|value?|maybe)(=[a-c]{0,3})?".prop_map(String::into_bytes),
                ],
                0..8,
            ),
            posix in any::<bool>(),
        ) {
            let length: usize = args.iter().map(|arg| arg.len().max(1)).sum();
            let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
            let items: Vec<_> = Reader::new(&SPECS, &args, posix).take(length + 1).collect();
            prop_assert!(items.len() <= length);
            for bad in items.into_iter().filter_map(Result::err) {
                prop_assert!(!bad.message().is_empty());
            }
        }

        #[test]
        fn everything_after_two_dashes_is_an_operand(
            rest in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..6),
        ) {
            let rest: Vec<OsString> = rest.into_iter().map(OsString::from_vec).collect();
            let mut args = vec![OsString::from("--")];
            args.extend(rest.iter().cloned());
            let read: Vec<_> = Reader::new(&SPECS, &args, false).collect();
            let operands: Vec<_> = rest.iter().map(|arg| Ok(Arg::Operand(arg.as_os_str()))).collect();
            prop_assert_eq!(read, operands);
        }
    }
}
