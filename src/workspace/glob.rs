//! Matches paths with shell patterns, byte by byte, so that no path and no pattern need be UTF-8.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The most alternatives that the braces of a pattern may stand for.
const MAX_ALTERNATIVES: usize = 1024;

/// The most bytes that these may have together. Compiled, each takes some tens.
const MAX_BYTES: usize = 1024 * 1024;

/// The most groups in braces that are replaced by their parts for that. Each takes the time of a copy.
const MAX_STEPS: usize = 16 * MAX_ALTERNATIVES;

/// Why a pattern is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GlobError {
    #[error("an opening [ has no ]")]
    UnclosedClass,
    #[error("an opening {{ has no }}")]
    UnclosedBrace,
    #[error("a closing }} has no {{")]
    UnopenedBrace,
    #[error("no character follows the last \\")]
    DanglingEscape,
    #[error("its braces stand for too many patterns")]
    TooManyAlternatives,
}

/// A pattern in a form that matches fast: its alternatives, each a list of path components.
#[derive(Clone, Debug)]
pub(super) struct Matcher(Vec<Vec<Component>>);

/// Matches one component of a path, or any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    /// `**`
    AnyDepth,
    Name(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: one character.
    AnyCharacter,
    /// `*`: any bytes.
    AnyText,
    /// `[a-z]`, `[!a-z]`
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Matcher {
    /// Compiles a pattern. `*` and `?` stay within a component, `**` as a whole component matches
    /// directories of any depth, and `\` makes the next character literal.
    pub(super) fn new(pattern: &OsStr) -> Result<Self, GlobError> {
        let alternatives = alternatives_of(pattern.as_bytes().to_vec())?;
        alternatives.iter().map(|pattern| parse(pattern)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_match(&self, path: &Path) -> bool {
        let names: Vec<&[u8]> = path.iter().map(OsStrExt::as_bytes).collect();
        self.0.iter().any(|components| matches_path(components, &names))
    }
}

/// Returns the patterns that the braces of a pattern stand for, in their order.
fn alternatives_of(pattern: Vec<u8>) -> Result<Vec<Vec<u8>>, GlobError> {
    let mut alternatives = Vec::new();
    let mut bytes = pattern.len();
    let mut pending = vec![pattern];
    let mut steps = 0;
    while let Some(pattern) = pending.pop() {
        steps += 1;
        let Some(group) = Group::first_in(&pattern)? else {
            alternatives.push(pattern);
            continue;
        };
        let count = alternatives.len() + pending.len() + group.count();
        bytes = bytes - pattern.len() + group.bytes(&pattern);
        if count > MAX_ALTERNATIVES || bytes > MAX_BYTES || steps > MAX_STEPS {
            return Err(GlobError::TooManyAlternatives);
        }
        pending.extend(group.alternatives(&pattern).rev());
    }
    Ok(alternatives)
}

/// A group in braces that lies in no other one: where its opening brace, its own commas and its closing
/// brace are.
struct Group(Vec<usize>);

impl Group {
    fn first_in(pattern: &[u8]) -> Result<Option<Self>, GlobError> {
        let mut marks = Vec::new();
        let mut depth = 0;
        let mut at = 0;
        while let Some(&byte) = pattern.get(at) {
            match (byte, depth) {
                (b'\\', _) => at += 1,
                (b'[', _) => at = end_of_class(pattern, at)?,
                (b'{', _) => {
                    if depth == 0 {
                        marks.push(at);
                    }
                    depth += 1;
                }
                (b',', 1) => marks.push(at),
                (b'}', 0) => return Err(GlobError::UnopenedBrace),
                (b'}', 1) => {
                    marks.push(at);
                    return Ok(Some(Self(marks)));
                }
                (b'}', _) => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        if depth > 0 { Err(GlobError::UnclosedBrace) } else { Ok(None) }
    }

    /// Returns the number of its parts.
    fn count(&self) -> usize {
        self.0.len() - 1
    }

    /// Returns how many bytes [`alternatives`](Self::alternatives) have together.
    fn bytes(&self, pattern: &[u8]) -> usize {
        let length = self.0[self.count()] + 1 - self.0[0];
        let around = pattern.len() - length;
        self.count().saturating_mul(around).saturating_add(length - self.0.len())
    }

    /// Returns the pattern with each part of the group in the place of the group.
    fn alternatives<'a>(&'a self, pattern: &'a [u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
        let (before, after) = (&pattern[..self.0[0]], &pattern[self.0[self.count()] + 1..]);
        self.0.windows(2).map(move |ends| [before, &pattern[ends[0] + 1..ends[1]], after].concat())
    }
}

/// Returns the index of the `]` that closes the class at `start`. A `]` that comes first is literal.
fn end_of_class(pattern: &[u8], start: usize) -> Result<usize, GlobError> {
    let is_negated = matches!(pattern.get(start + 1), Some(b'!' | b'^'));
    let first = start + 1 + usize::from(is_negated);
    let rest = pattern.get(first + 1..).unwrap_or_default();
    let length = rest.iter().position(|&byte| byte == b']').ok_or(GlobError::UnclosedClass)?;
    Ok(first + 1 + length)
}

fn parse(pattern: &[u8]) -> Result<Vec<Component>, GlobError> {
    let mut components = Vec::new();
    let mut name = Vec::new();
    let mut at = 0;
    let mut start = 0;
    let mut finish = |name: &mut Vec<Token>, text: &[u8]| match text {
        b"" | b"." => {}
        b"**" if components.last() == Some(&Component::AnyDepth) => {}
        b"**" => components.push(Component::AnyDepth),
        _ => components.push(Component::Name(std::mem::take(name))),
    };
    while let Some(&byte) = pattern.get(at) {
        match byte {
            b'/' => {
                finish(&mut name, &pattern[start..at]);
                name.clear();
                start = at + 1;
            }
            b'\\' => {
                at += 1;
                name.push(Token::Byte(*pattern.get(at).ok_or(GlobError::DanglingEscape)?));
            }
            b'*' => name.push(Token::AnyText),
            b'?' => name.push(Token::AnyCharacter),
            b'[' => {
                let end = end_of_class(pattern, at)?;
                name.push(class(&pattern[at + 1..end]));
                at = end;
            }
            byte => name.push(Token::Byte(byte)),
        }
        at += 1;
    }
    finish(&mut name, &pattern[start..]);
    if components.last() == Some(&Component::AnyDepth) {
        // At the end, it matches what is in a directory, and not the directory itself.
        components.push(Component::Name(vec![Token::AnyText]));
    }
    Ok(components)
}

fn class(text: &[u8]) -> Token {
    let is_negated = matches!(text.first(), Some(b'!' | b'^'));
    let mut rest = &text[usize::from(is_negated)..];
    let mut ranges = Vec::new();
    while let Some((from, length)) = character(rest) {
        rest = &rest[length..];
        let upper = rest.strip_prefix(b"-").and_then(character);
        if let Some((to, length)) = upper {
            rest = &rest[1 + length..];
            ranges.push((from, to));
        } else {
            ranges.push((from, from));
        }
    }
    Token::Class { is_negated, ranges }
}

/// Returns the first character of a text and its length. A byte that is not UTF-8 counts as the
/// character of a private range.
fn character(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    let valid = text.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    let raw = char::from_u32(0x10_ff00 + u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(valid.map_or((raw, 1), |valid| (valid, valid.len_utf8())))
}

/// Whether the components of a path match. Goes back to the last `**` only, as [`matches_name`] does.
fn matches_path(components: &[Component], names: &[&[u8]]) -> bool {
    let (mut component, mut at) = (0, 0);
    let mut retry = None;
    loop {
        let is_match = match components.get(component) {
            Some(Component::AnyDepth) => {
                retry = Some((component + 1, at));
                component += 1;
                continue;
            }
            Some(Component::Name(tokens)) => {
                names.get(at).is_some_and(|name| matches_name(tokens, name))
            }
            None if at == names.len() => return true,
            None => false,
        };
        match retry {
            _ if is_match => {
                component += 1;
                at += 1;
            }
            Some((after, from)) if from < names.len() => {
                component = after;
                at = from + 1;
                retry = Some((after, at));
            }
            _ => return false,
        }
    }
}

/// Whether a name matches. Goes back to the last `*` only, which takes no more than quadratic time.
fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut retry = None;
    loop {
        let length = match tokens.get(token) {
            Some(Token::AnyText) => {
                retry = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(single) => length_of_match(single, &name[at..]),
            None if at == name.len() => return true,
            None => None,
        };
        match (length, retry) {
            (Some(length), _) => {
                token += 1;
                at += length;
            }
            (None, Some((after, from))) if from < name.len() => {
                token = after;
                at = from + 1;
                retry = Some((after, at));
            }
            (None, _) => return false,
        }
    }
}

/// Returns how many bytes at the start of a text a token matches.
fn length_of_match(token: &Token, text: &[u8]) -> Option<usize> {
    if let Token::Byte(byte) = token {
        return (text.first() == Some(byte)).then_some(1);
    }
    let (found, length) = character(text)?;
    match token {
        Token::Class { is_negated, ranges } => {
            let is_in = ranges.iter().any(|&(from, to)| (from..=to).contains(&found));
            (is_in != *is_negated).then_some(length)
        }
        _ => Some(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_match(pattern: &[u8], path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        Matcher::new(OsStr::from_bytes(pattern)).unwrap().is_match(path)
    }

    #[test]
    fn each_wildcard_matches_what_the_shell_does() {
        for (pattern, matching, other) in [
            ("*.c", "a.c x.c .c", "a.d d/a.c a.c.d"),
            ("a*b*c", "abc aXbYc abbc", "ab acb abcd"),
            ("?", "a é", "ab aé d/a"),
            ("[a-c]x", "ax bx", "dx -x x"),
            ("[!a-c]x", "dx éx", "ax"),
            ("[]a]", "] a", "b"),
            ("[é-ö]", "é ô", "e ÿ"),
            ("{a,b{c,d}}.e", "a.e bc.e bd.e", "b.e bcd.e"),
            ("{a/b,c}", "a/b c", "a b"),
            ("a{,b}", "a ab", "b"),
            ("**/x", "x a/x a/b/x", "a/xx"),
            ("a/**", "a/b a/b/c", "a b"),
            ("a/**/b", "a/b a/x/b a/x/y/b", "ab a/x"),
            ("**", "a a/b", ""),
            ("a**b", "ab aXb", "a/b"),
            ("./a//[b]/", "a/b", "b"),
            (r"\*\[", "*[", r"\*\["),
        ] {
            for (paths, expected) in [(matching, true), (other, false)] {
                for path in paths.split(' ').filter(|path| !path.is_empty()) {
                    let found = is_match(pattern.as_bytes(), path.as_bytes());
                    assert_eq!(found, expected, "{pattern} {path}");
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_match_themselves_and_one_wildcard_each() {
        assert!(is_match(b"caf\xe9*", b"caf\xe9.txt") && !is_match(b"caf\xe9*", b"cafe.txt"));
        assert!(is_match(b"caf?", b"caf\xe9") && is_match(b"[\xe0-\xef]", b"\xe9"));
        assert!(!is_match(b"[\xe0-\xe1]", b"\xe9"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!is_match(&b"*a".repeat(200), &[b'a'; 199]));
        assert_eq!(
            Matcher::new(OsStr::new(&"{a,b}".repeat(40))).err(),
            Some(GlobError::TooManyAlternatives)
        );
        assert!(!is_match("**/a/".repeat(100).as_bytes(), "a/".repeat(99).as_bytes()));
        assert!(is_match(
            "**/a/".repeat(99).as_bytes(),
            "a/b/".repeat(99).trim_end_matches("b/").as_bytes()
        ));
    }

    #[test]
    fn deep_nesting_neither_overflows_the_stack_nor_takes_long() {
        for (depth, expected) in [(1000, None), (60_000, Some(GlobError::TooManyAlternatives))] {
            let nested = [b"{".repeat(depth), b"x".to_vec(), b"}".repeat(depth)].concat();
            assert_eq!(Matcher::new(OsStr::from_bytes(&nested)).err(), expected, "{depth}");
        }
        let open = "{".repeat(60_000);
        assert_eq!(Matcher::new(OsStr::new(&open)).err(), Some(GlobError::UnclosedBrace));
        let path = "a/".repeat(60_000);
        assert!(is_match(path.as_bytes(), path.as_bytes()));
    }

    #[test]
    fn as_many_alternatives_as_the_limit_are_compiled_in_their_order() {
        let names: Vec<String> = (0..MAX_ALTERNATIVES).map(|n| n.to_string()).collect();
        let braces = |names: &[String]| format!("{{{}}}", names.join(",")).into_bytes();
        let found = alternatives_of(braces(&names)).unwrap();
        assert_eq!(found, names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
        let more = [names.as_slice(), &["more".to_owned()]].concat();
        assert_eq!(alternatives_of(braces(&more)), Err(GlobError::TooManyAlternatives));
        assert_eq!(alternatives_of(b"{a,b{c,d}}{e,}".to_vec()).unwrap().concat(), b"aeabcebcbdebd");
    }

    #[test]
    fn alternatives_that_would_take_much_memory_are_refused_before_they_take_it() {
        let too_many = Err(GlobError::TooManyAlternatives);
        let commas =
            |count, length| [b"{", &b",".repeat(count)[..], b"}", &b"x".repeat(length)].concat();
        assert_eq!(alternatives_of(commas(60_000, 60_000)), too_many);
        assert_eq!(alternatives_of(commas(1000, 60_000)), too_many);
        let alternatives = alternatives_of(commas(1000, 1000)).unwrap();
        assert_eq!(alternatives.concat().len(), 1001 * 1000);
        let group = Group::first_in(b"a{b,,{c,d}}e").unwrap().unwrap();
        let bytes = group.alternatives(b"a{b,,{c,d}}e").map(|one| one.len()).sum::<usize>();
        assert_eq!(group.bytes(b"a{b,,{c,d}}e"), bytes);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_or_the_matcher_panic(
            pattern in "[a\\\\{},*?\\[\\]!/é-]{0,16}", path in "[ab/é]{1,8}"
        ) {
            if let Ok(matcher) = Matcher::new(OsStr::new(&pattern)) {
                matcher.is_match(Path::new(&path));
            }
        }
    }
}
