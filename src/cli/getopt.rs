//! Command lines as GNU's `getopt_long(3)` reads them.
//!
//! Short options in clusters (`-dq`, `-pDIR`), long ones in full or by any beginning that fits
//! nothing else, values after `=`, options after operands, and `--`. clap reads none of the
//! abbreviations and words its refusals otherwise; scripts written for a GNU tool rely on both.
//!
//! A [`Reader`] looks at the arguments once, from left to right, and hands out what it finds in that
//! order. That is all that getopt's permutation amounts to for a caller which collects the operands.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasArg {
    /// None.
    Nothing,
    /// One, the rest of the argument or the whole of the next.
    Value,
    /// One if it stands after `=` (a long option's only).
    ValueIfAttached,
}

/// An option that is understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptSpec<T> {
    /// Its letter.
    pub short: Option<u8>,
    /// Its name.
    pub long: Option<&'static str>,
    /// Whether it has a value.
    pub takes: HasArg,
    /// What it stands for.
    pub means: T,
}

/// What stands on the command line next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg<'a, T> {
    /// An option, perhaps with its value.
    Option(T, Option<&'a OsStr>),
    /// Anything else.
    Operand(&'a OsStr),
}

/// Why an option was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadOption<'a> {
    /// There is no such letter.
    UnknownLetter(u8),
    /// There is no such name.
    UnknownName(&'a [u8]),
    /// The beginning of several names.
    Ambiguous(&'a [u8], Vec<&'static str>),
    /// This letter's value is missing.
    LetterWantsValue(u8),
    /// This name's value is missing.
    NameWantsValue(&'static str),
    /// This name has no value.
    NameTakesNoValue(&'static str),
}

impl BadOption<'_> {
    /// The message, in glibc's words. Arguments stand in it as they were given, byte for byte.
    pub(crate) fn message(&self) -> Vec<u8> {
        match self {
            Self::UnknownLetter(letter) => [b"invalid option -- '", &[*letter][..], b"'"].concat(),
            Self::UnknownName(name) => [b"unrecognized option '--", *name, b"'"].concat(),
            Self::Ambiguous(name, candidates) => {
                let mut text = [b"option '--", *name, b"' is ambiguous; possibilities:"].concat();
                for candidate in candidates {
                    text.extend_from_slice(b" '--");
                    text.extend_from_slice(candidate.as_bytes());
                    text.push(b'\'');
                }
                text
            }
            Self::LetterWantsValue(letter) => {
                [b"option requires an argument -- '", &[*letter][..], b"'"].concat()
            }
            Self::NameWantsValue(name) => {
                format!("option '--{name}' requires an argument").into_bytes()
            }
            Self::NameTakesNoValue(name) => {
                format!("option '--{name}' doesn't allow an argument").into_bytes()
            }
        }
    }
}

/// Reads arguments, the program's own name not among them.
#[derive(Debug)]
pub(crate) struct Reader<'a, T> {
    known: &'a [OptSpec<T>],
    args: std::slice::Iter<'a, OsString>,
    /// The letters that are left of a cluster.
    cluster: &'a [u8],
    operands_only: bool,
    stops_at_operand: bool,
}

impl<'a, T: Copy> Reader<'a, T> {
    /// A reader of these arguments. With `stops_at_operand`, all that comes after the first operand
    /// is operands too, which is what POSIX asks for and `POSIXLY_CORRECT` switches on.
    pub(crate) fn new(
        known: &'a [OptSpec<T>],
        args: &'a [OsString],
        stops_at_operand: bool,
    ) -> Self {
        Self { known, args: args.iter(), cluster: &[], operands_only: false, stops_at_operand }
    }

    fn short(&mut self, letter: u8, rest: &'a [u8]) -> Result<Arg<'a, T>, BadOption<'a>> {
        self.cluster = rest;
        let known = self.known.iter().find(|one| one.short == Some(letter));
        let known = known.ok_or(BadOption::UnknownLetter(letter))?;
        if known.takes != HasArg::Value {
            return Ok(Arg::Option(known.means, None));
        }
        self.cluster = &[];
        let value = if rest.is_empty() {
            self.args.next().map(OsString::as_os_str)
        } else {
            Some(OsStr::from_bytes(rest))
        };
        match value {
            Some(_) => Ok(Arg::Option(known.means, value)),
            None => Err(BadOption::LetterWantsValue(letter)),
        }
    }

    /// `text` is what stands after the two dashes.
    fn long(&mut self, text: &'a [u8]) -> Result<Arg<'a, T>, BadOption<'a>> {
        let (name, attached) = match text.iter().position(|&byte| byte == b'=') {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]))),
            None => (text, None),
        };
        let (known, long) = self.named(name, text)?;
        let value = match known.takes {
            HasArg::Nothing if attached.is_some() => {
                return Err(BadOption::NameTakesNoValue(long));
            }
            HasArg::Value if attached.is_none() => {
                let next = self.args.next().map(OsString::as_os_str);
                Some(next.ok_or(BadOption::NameWantsValue(long))?)
            }
            _ => attached,
        };
        Ok(Arg::Option(known.means, value))
    }

    /// The option of this name, or the only one whose name begins like it.
    fn named(
        &self,
        name: &[u8],
        text: &'a [u8],
    ) -> Result<(&'a OptSpec<T>, &'static str), BadOption<'a>> {
        let with_name = |one: &'a OptSpec<T>| one.long.map(|long| (one, long));
        let mut fitting = Vec::new();
        for (one, long) in self.known.iter().filter_map(with_name) {
            if long.as_bytes() == name {
                return Ok((one, long));
            }
            if long.as_bytes().starts_with(name) {
                fitting.push((one, long));
            }
        }
        match fitting[..] {
            [] => Err(BadOption::UnknownName(text)),
            [only] => Ok(only),
            _ => {
                let names = fitting.into_iter().map(|(_, long)| long).collect();
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

    const KNOWN: [OptSpec<char>; 5] = [
        known(Some(b'a'), Some("all"), HasArg::Nothing, 'a'),
        known(Some(b'b'), Some("alter"), HasArg::Nothing, 'b'),
        known(Some(b'v'), Some("value"), HasArg::Value, 'v'),
        known(None, Some("maybe"), HasArg::ValueIfAttached, 'm'),
        known(None, Some("alt"), HasArg::Nothing, 'x'),
    ];

    const fn known(
        short: Option<u8>,
        long: Option<&'static str>,
        takes: HasArg,
        means: char,
    ) -> OptSpec<char> {
        OptSpec { short, long, takes, means }
    }

    /// What was read, in letters: options by what they mean, values after `=`, operands in brackets,
    /// a refusal as its message.
    fn read(line: &str, posix: bool) -> String {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let words: Vec<String> = Reader::new(&KNOWN, &args, posix)
            .map(|item| match item {
                Ok(Arg::Option(means, None)) => means.to_string(),
                Ok(Arg::Option(means, Some(value))) => format!("{means}={}", value.display()),
                Ok(Arg::Operand(operand)) => format!("[{}]", operand.display()),
                Err(bad) => String::from_utf8(bad.message()).unwrap(),
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn letters_stand_in_clusters_and_the_value_is_the_rest_or_the_next() {
        assert_eq!(read("-ab -abvx -av --all -b", false), "a b a b v=x a v=--all b");
        assert_eq!(read("-ab -Z", false), "a b invalid option -- 'Z'");
        assert_eq!(read("-av", false), "a option requires an argument -- 'v'");
    }

    #[test]
    fn names_may_be_cut_short_where_only_one_begins_like_that() {
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
    fn an_optional_value_counts_only_after_the_equals_sign() {
        assert_eq!(read("--maybe x --m= --may=y", false), "m [x] m= m=y");
    }

    #[test]
    fn options_may_follow_operands_except_as_posix_has_it() {
        assert_eq!(read("x -a - -- -b --", false), "[x] a [-] [-b] [--]");
        assert_eq!(read("-a x -b", true), "a [x] [-b]");
        assert_eq!(read("-a -- x -b", true), "a [x] [-b]");
    }

    proptest! {
        #[test]
        fn no_arguments_make_the_reader_panic_or_go_on_for_ever(
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
            let items: Vec<_> = Reader::new(&KNOWN, &args, posix).take(length + 1).collect();
            prop_assert!(items.len() <= length);
            for bad in items.into_iter().filter_map(Result::err) {
                prop_assert!(!bad.message().is_empty());
            }
        }

        #[test]
        fn what_follows_two_dashes_is_an_operand(
            rest in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..6),
        ) {
            let rest: Vec<OsString> = rest.into_iter().map(OsString::from_vec).collect();
            let mut args = vec![OsString::from("--")];
            args.extend(rest.iter().cloned());
            let read: Vec<_> = Reader::new(&KNOWN, &args, false).collect();
            let operands: Vec<_> = rest.iter().map(|arg| Ok(Arg::Operand(arg.as_os_str()))).collect();
            prop_assert_eq!(read, operands);
        }
    }
}
