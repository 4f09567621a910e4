//! Names of resources: a fixed prefix, random characters, and a fixed suffix.
//!
//! As in mktemp, the random characters replace the last run of X in a template, which must have at
//! least three. A template, a prefix and a suffix are names within one directory and contain no
//! slash. [`TemplatePath`] is a template with its directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::os::Random;
use crate::os::random::{NAME_LENGTH, is_unguessable};

/// The fewest X in a template, as in mktemp.
const MIN_X: usize = 3;

/// Why text is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text is `.` or `..`.
    #[error("must name an entry of its own")]
    Dots,
    /// The text contains a slash.
    #[error("must not contain a slash")]
    Slash,
    /// The last run of X is shorter than three.
    #[error("needs at least three X in a row, as in tmp.XXXXXXXXXX")]
    TooFewX,
}

/// A prefix or suffix, without a slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affix(OsString);

impl Affix {
    /// Parses a prefix or suffix.
    pub fn parse(text: OsString) -> Result<Self, BadName> {
        if text.as_bytes().contains(&b'/') {
            return Err(BadName::Slash);
        }
        Ok(Self(text))
    }

    /// Returns the text.
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

/// A name that is used as it is, or with a number in it if it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactName(OsString);

impl ExactName {
    /// Parses a name.
    pub fn parse(text: OsString) -> Result<Self, BadName> {
        match text.as_bytes() {
            b"" => Err(BadName::Empty),
            b"." | b".." => Err(BadName::Dots),
            name if name.contains(&b'/') => Err(BadName::Slash),
            _ => Ok(Self(text)),
        }
    }

    /// Returns the `n`th name to try: the name itself, then `report_1.csv`, `report_2.csv`, …. The
    /// number precedes the last extension. A leading dot does not begin an extension.
    pub fn numbered(&self, n: u64) -> OsString {
        if n == 0 {
            return self.0.clone();
        }
        let path = Path::new(&self.0);
        let mut name = path.file_stem().unwrap_or(&self.0).to_owned();
        name.push(format!("_{n}"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        name
    }
}

/// The pattern of a random name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    prefix: OsString,
    random: usize,
    suffix: OsString,
}

impl Template {
    /// Builds a template from a prefix (by default `tmp.`), ten random characters, and a suffix.
    pub fn new(prefix: Option<&Affix>, suffix: Option<&Affix>) -> Self {
        let text = |affix: Option<&Affix>| affix.map(|affix| affix.0.clone());
        Self {
            prefix: text(prefix).unwrap_or_else(|| "tmp.".into()),
            random: NAME_LENGTH,
            suffix: text(suffix).unwrap_or_default(),
        }
    }

    /// Returns the directory and the template that the command line specifies: a given template, with
    /// the suffix appended, or the default template with this prefix and suffix.
    pub fn choose(
        given: Option<TemplatePath>,
        prefix: Option<&Affix>,
        suffix: Option<&Affix>,
    ) -> (Option<PathBuf>, Self) {
        match given {
            None => (None, Self::new(prefix, suffix)),
            Some(TemplatePath { dir, mut template }) => {
                if let Some(suffix) = suffix {
                    template.suffix.push(&suffix.0);
                }
                (dir, template)
            }
        }
    }

    /// Returns the template of names that are random throughout.
    pub fn without_affixes() -> Self {
        Self { prefix: OsString::new(), random: NAME_LENGTH, suffix: OsString::new() }
    }

    /// Returns the template of hidden names, for entries that will be renamed.
    pub fn hidden() -> Self {
        Self { prefix: ".tmpx.".into(), random: NAME_LENGTH, suffix: OsString::new() }
    }

    fn parse(name: &[u8]) -> Result<Self, BadName> {
        let end = name.iter().rposition(|&byte| byte == b'X').map_or(0, |at| at + 1);
        let start = name[..end].iter().rposition(|&byte| byte != b'X').map_or(0, |at| at + 1);
        if end - start < MIN_X {
            return Err(BadName::TooFewX);
        }
        Ok(Self {
            prefix: OsString::from_vec(name[..start].to_vec()),
            random: end - start,
            suffix: OsString::from_vec(name[end..].to_vec()),
        })
    }

    /// Whether another user could guess a name of this template and occupy it in advance.
    pub fn is_guessable(&self) -> bool {
        !is_unguessable(self.random)
    }

    /// Returns where the random part of a name begins, in bytes, and its length.
    pub fn random_part(&self) -> (usize, usize) {
        (self.prefix.len(), self.random)
    }

    /// Returns a new random name.
    pub fn name(&self, random: &mut Random) -> io::Result<OsString> {
        let mut name = Vec::with_capacity(self.prefix.len() + self.random + self.suffix.len());
        name.extend_from_slice(self.prefix.as_bytes());
        random.push_name(&mut name, self.random)?;
        name.extend_from_slice(self.suffix.as_bytes());
        Ok(OsString::from_vec(name))
    }
}

/// A template from the command line, optionally with a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplatePath {
    /// The directory part, relative to the working directory unless absolute.
    pub dir: Option<PathBuf>,
    /// The last component.
    pub template: Template,
}

impl TemplatePath {
    /// Parses a template.
    pub fn parse(text: &OsStr) -> Result<Self, BadName> {
        let bytes = text.as_bytes();
        let (dir, name) = match bytes.iter().rposition(|&byte| byte == b'/') {
            Some(0) => (Some(PathBuf::from("/")), &bytes[1..]),
            Some(at) => (Some(PathBuf::from(OsStr::from_bytes(&bytes[..at]))), &bytes[at + 1..]),
            None => (None, bytes),
        };
        Ok(Self { dir, template: Template::parse(name)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ones() -> Random {
        Random::from_source(|block| {
            block.fill(1);
            Ok(())
        })
    }

    fn name(text: &str) -> String {
        let path = TemplatePath::parse(OsStr::new(text)).unwrap();
        path.template.name(&mut ones()).unwrap().into_string().unwrap()
    }

    #[test]
    fn only_the_last_run_of_x_is_replaced() {
        assert_eq!(name("aXXXX_XXXb"), "aXXXX_111b");
        assert_eq!(name("XXX"), "111");
        assert_eq!(name("tmp.XXXXX.csv"), "tmp.11111.csv");
    }

    #[test]
    fn a_short_last_run_is_refused_even_after_a_long_one() {
        for text in ["", "abc", "XX", "aXXXXbXX", "XXX/abc"] {
            assert!(TemplatePath::parse(OsStr::new(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_directory_part_is_split_off() {
        let dir = |text| TemplatePath::parse(OsStr::new(text)).unwrap().dir;
        assert_eq!(dir("XXX"), None);
        assert_eq!(dir("/XXX"), Some("/".into()));
        assert_eq!(dir("a/b/XXX"), Some("a/b".into()));
    }

    #[test]
    fn a_number_precedes_the_last_extension() {
        let name = |text: &str, n| ExactName::parse(text.into()).unwrap().numbered(n);
        assert_eq!(name("report.csv", 0), "report.csv");
        assert_eq!(name("report.csv", 1), "report_1.csv");
        assert_eq!(name("a.tar.gz", 2), "a.tar_2.gz");
        assert_eq!(name("plain", 3), "plain_3");
        assert_eq!(name(".hidden", 1), ".hidden_1");
    }

    proptest! {
        #[test]
        fn a_name_has_the_length_and_the_suffix_of_its_template(before in "[a-zX./]{0,12}", after in "[a-wyz.]{0,8}", run in 3usize..12) {
            let text = format!("{before}a{}{after}", "X".repeat(run));
            let parsed = TemplatePath::parse(OsStr::new(&text)).unwrap();
            let name = parsed.template.name(&mut Random::system()).unwrap();
            let last = text.rsplit('/').next().unwrap();
            let name = name.to_str().unwrap();
            prop_assert_eq!(name.len(), last.len());
            prop_assert!(name.ends_with(&after));
            prop_assert!(!name.contains('/'));
        }

        #[test]
        fn no_template_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = TemplatePath::parse(OsStr::from_bytes(&bytes));
        }
    }
}
