//! Parses `GLOB[:DEST]`, and decides which paths of a workspace it matches.
//!
//! A pattern that is the exact name of an entry means that entry, whatever characters it has: many
//! frameworks name files `[slug].js`. So a name never needs escapes.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use crate::streams::stands_for_stdout;
use crate::workspace::glob::{GlobError, Matcher};
use crate::workspace::layout::split;

/// The characters that a glob does not match literally.
const SPECIAL: &[u8] = b"*?[{}\\";

/// The characters that let a glob match more than one path.
const WILDCARDS: &[u8] = b"*?[{";

/// Why a pattern is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("must be a relative path inside the workspace, without ..")]
    OutsideWorkspace,
    #[error("DEST stands for standard output")]
    StandardOutput,
    #[error("{0}")]
    Syntax(GlobError),
}

/// One `GLOB[:DEST]`.
#[derive(Debug)]
pub(crate) struct Pattern {
    spec: OsString,
    glob: Glob,
    dest: Option<PathBuf>,
    /// Whether a colon was found, so that the spec could also be the name of a file.
    is_split: bool,
    on_success: bool,
}

impl Pattern {
    /// Parses a pattern. With `on_success` it applies only if the command succeeded, and must match.
    pub(crate) fn parse(spec: &OsStr, on_success: bool) -> Result<Self, PatternError> {
        let (glob, dest) = split(spec, |_| false);
        let is_split = glob.as_os_str() != spec;
        if dest.as_deref().is_some_and(stands_for_stdout) {
            return Err(PatternError::StandardOutput);
        }
        Ok(Self { spec: spec.to_owned(), glob: Glob::parse(&glob)?, dest, is_split, on_success })
    }

    /// The pattern as the user wrote it.
    pub(crate) fn spec(&self) -> &OsStr {
        &self.spec
    }

    /// Whether it applies only if the command succeeded, and must match.
    pub(crate) fn on_success(&self) -> bool {
        self.on_success
    }

    /// Whether it can match more than one path, split at its colon or not.
    pub(crate) fn may_have_wildcard(&self) -> bool {
        contains_any(&self.spec, WILDCARDS)
    }

    /// Whether it names an absolute DEST.
    pub(crate) fn names_absolute_dest(&self) -> bool {
        self.dest.as_deref().is_some_and(Path::is_absolute)
    }

    /// Whether a path in this directory can match.
    pub(super) fn may_match_below(&self, dir: &Path) -> bool {
        self.glob.may_match_below(dir)
    }

    /// Returns GLOB and DEST. The exact name of an entry wins over the pattern reading: first the
    /// whole spec, then GLOB.
    pub(super) fn resolve(&self, exists: impl Fn(&Path) -> bool) -> (Cow<'_, Glob>, Option<&Path>) {
        let (glob, dest) = self.as_pattern();
        let whole = normalize(Path::new(&self.spec));
        if self.is_split && exists(&whole) {
            return (Cow::Owned(Glob { path: whole, compiled: None }), None);
        }
        if glob.compiled.is_some() && exists(&glob.path) {
            let path = glob.path.clone();
            return (Cow::Owned(Glob { path, compiled: None }), dest);
        }
        (Cow::Borrowed(glob), dest)
    }

    /// Returns GLOB and DEST whatever the names of the entries.
    pub(super) fn as_pattern(&self) -> (&Glob, Option<&Path>) {
        (&self.glob, self.dest.as_deref())
    }
}

/// Returns a path without `.` and repeated slashes.
fn normalize(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// A path in the workspace, perhaps with wildcards.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    /// The path without `.` and repeated slashes.
    path: PathBuf,
    /// `None` if the glob matches nothing but its path.
    compiled: Option<Matcher>,
}

impl Glob {
    fn parse(path: &Path) -> Result<Self, PatternError> {
        if path.as_os_str().is_empty() {
            return Err(PatternError::Empty);
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(PatternError::OutsideWorkspace);
        }
        let name = path.as_os_str();
        let compiled = if contains_any(name, SPECIAL) {
            match Matcher::new(name) {
                Ok(matcher) => Some(matcher),
                // As in the shell, a lone bracket is literal. A mistake in a pattern is refused.
                Err(err) if err == GlobError::TooManyAlternatives || contains_any(name, b"*?") => {
                    return Err(PatternError::Syntax(err));
                }
                Err(_) => None,
            }
        } else {
            None
        };
        Ok(Self { path: normalize(path), compiled })
    }

    pub(super) fn is_match(&self, path: &Path) -> bool {
        match &self.compiled {
            None => path == self.path,
            Some(glob) => glob.is_match(path) && !(self.has_wildcard() && self.hides(path)),
        }
    }

    pub(super) fn has_wildcard(&self) -> bool {
        self.compiled.is_some() && contains_any(self.path.as_os_str(), WILDCARDS)
    }

    /// The directories before the first wildcard and the last component.
    pub(super) fn literal_dirs(&self) -> PathBuf {
        let dirs = self.path.parent().unwrap_or(Path::new(""));
        if !self.has_wildcard() {
            return dirs.to_owned();
        }
        dirs.components().take_while(|part| !contains_any(part.as_os_str(), WILDCARDS)).collect()
    }

    /// Whether a path in this directory can match.
    fn may_match_below(&self, dir: &Path) -> bool {
        let literal = self.literal_dirs();
        let is_wild = self.has_wildcard();
        self.path.starts_with(dir)
            || literal.starts_with(dir)
            || is_wild && dir.starts_with(&literal)
            || !is_wild && dir.starts_with(&self.path)
    }

    /// Whether a path has a hidden component that the glob does not ask for, as in the shell.
    fn hides(&self, path: &Path) -> bool {
        let literal = self.literal_dirs();
        let has_dot = |path: &Path| {
            let below = path.strip_prefix(&literal).unwrap_or(path);
            below.components().any(|part| part.as_os_str().as_bytes().starts_with(b"."))
        };
        has_dot(path) && !has_dot(&self.path)
    }
}

fn contains_any(text: &OsStr, bytes: &[u8]) -> bool {
    text.as_bytes().iter().any(|byte| bytes.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(spec: &str) -> Pattern {
        Pattern::parse(OsStr::new(spec), true).unwrap()
    }

    /// The GLOB and DEST of a pattern, in a workspace that contains these paths.
    fn resolve(spec: &str, paths: &[&str]) -> (PathBuf, Option<PathBuf>) {
        let pattern = parse(spec);
        let exists = |path: &Path| paths.iter().any(|other| path == Path::new(other));
        let (glob, dest) = pattern.resolve(exists);
        (glob.path.clone(), dest.map(Path::to_owned))
    }

    fn matches(glob: &str, paths: &[&'static str]) -> Vec<&'static str> {
        let glob = parse(glob).glob;
        paths.iter().copied().filter(|path| glob.is_match(Path::new(path))).collect()
    }

    #[test]
    fn a_pattern_that_could_leave_the_workspace_or_makes_no_sense_is_refused() {
        let refusal = |spec: &[u8]| {
            let spec = OsStr::from_bytes(spec);
            Pattern::parse(spec, true).unwrap_err().to_string()
        };
        let outside = "must be a relative path inside the workspace, without ..";
        for spec in ["../x", "/etc/passwd", "a/../../b", "/"] {
            assert_eq!(refusal(spec.as_bytes()), outside, "{spec}");
        }
        assert_eq!(refusal(b""), "the pattern is empty");
        assert_eq!(refusal(b"*["), "an opening [ has no ]");
        assert_eq!(refusal(b"?{a"), "an opening { has no }");
        assert_eq!(refusal(b"*}"), "a closing } has no {");
        assert_eq!(refusal(b"*\\"), "no character follows the last \\");
        let braces = b"r".iter().chain(&b"{0,1}".repeat(11)).copied().collect::<Vec<u8>>();
        assert_eq!(refusal(&braces), "its braces stand for too many patterns");
    }

    #[test]
    fn a_name_without_special_characters_is_not_compiled() {
        for (spec, literal) in [("a", "a"), ("./a//b/", "a/b"), ("a/./b:dest", "a/b")] {
            let glob = parse(spec).glob;
            assert!(glob.compiled.is_none(), "{spec}");
            assert!(glob.is_match(Path::new(literal)), "{spec}");
        }
        let spec = OsStr::from_bytes(b"caf\xe9");
        assert!(Pattern::parse(spec, true).unwrap().glob.is_match(Path::new(spec)));
    }

    #[test]
    fn a_literal_matches_its_own_path_only_and_hidden_names_too() {
        assert_eq!(matches("a/b", &["a", "a/b", "a/b/c", "b", "x/a/b"]), ["a/b"]);
        assert_eq!(matches(".a", &["a", ".a"]), [".a"]);
        assert_eq!(matches("a]", &["a]"]), ["a]"]);
        assert_eq!(matches("\\*", &["a", "*"]), ["*"]);
    }

    #[test]
    fn the_exact_name_of_an_entry_wins_over_the_pattern() {
        for name in ["a[1]", "[slug]/page.tsx", "{x}", "a\\b", "a*", "a[", "{a", "a}", "a\\"] {
            let pattern = parse(&format!("./{name}:dest"));
            let (glob, dest) = pattern.resolve(|path| path == Path::new(name));
            assert!(glob.is_match(Path::new(name)) && !glob.has_wildcard(), "{name}");
            assert_eq!(glob.literal_dirs(), Path::new(name).parent().unwrap(), "{name}");
            assert_eq!(dest, Some(Path::new("dest")), "{name}");
        }
        assert_eq!(matches("a[1]", &["a1", "a[1]"]), ["a1"], "without the entry");
    }

    #[test]
    fn a_star_stays_in_its_directory_and_skips_hidden_names() {
        let paths = ["a", ".b", "d", "d/e", "d/.f"];
        assert_eq!(matches("*", &paths), ["a", "d"]);
        assert_eq!(matches("**/*", &paths), ["a", "d", "d/e"]);
        assert_eq!(matches(".*", &paths), [".b"]);
        assert_eq!(matches("d/{e,.f}", &paths), ["d/e"]);
    }

    #[test]
    fn the_last_colon_separates_dest_unless_the_whole_is_a_path() {
        assert_eq!(resolve("a:b", &["a"]), ("a".into(), Some("b".into())));
        assert_eq!(resolve("a:b", &["a:b"]), ("a:b".into(), None));
        assert_eq!(resolve("a:", &[]), ("a".into(), None));
    }

    #[test]
    fn only_directories_that_can_hold_a_match_count_when_unreadable() {
        let may_match_below = |spec: &str, dir: &str| parse(spec).may_match_below(Path::new(dir));
        assert!(may_match_below("a/b", "a") && may_match_below("a", "a/b"));
        assert!(!may_match_below("a", "b") && !may_match_below("a/*", "b"));
        assert!(may_match_below("a/*", "a/b") && may_match_below("*", "b"));
    }
}
