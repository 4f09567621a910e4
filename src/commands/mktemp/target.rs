//! Determines the path to create, by GNU mktemp's rules for templates, suffixes and directories.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::commands::mktemp::diagnostic::Diagnostic;
use crate::commands::mktemp::options::{DirRule, MktempOptions};
use crate::fs::Dir;
use crate::lease::Kind;
use crate::os::{Env, Random};
use crate::values::{Affix, Template, TemplatePath};

const DEFAULT_TEMPLATE: &str = "tmp.XXXXXXXXXX";

/// A path with random characters in its last component. Its pieces are those that the caller gave, so
/// that tmpx prints the caller's own text.
#[derive(Debug)]
pub(super) struct MktempTarget {
    /// The text before the last component, with the slash.
    head: Vec<u8>,
    /// The last component.
    pub(super) template: Template,
    /// The slashes after it, which can only come from a suffix.
    trailing_slashes: Vec<u8>,
    /// The template as messages show it.
    shown: OsString,
}

impl MktempTarget {
    /// Determines the path that the options ask for.
    pub(super) fn resolve(options: &MktempOptions<'_>, env: &Env) -> Result<Self, Diagnostic> {
        let given = options.template.unwrap_or(OsStr::new(DEFAULT_TEMPLATE));
        let whole = with_suffix(given, options.suffix)?;
        let (stem, tail) = split_trailing_slashes(&whole);
        let template = match options.suffix {
            None => pattern(stem, None),
            Some(_) => pattern(given.as_bytes(), stem.get(given.len()..)),
        };
        let template = template.ok_or_else(|| {
            Diagnostic::of_name("too few X's in template ", OsStr::from_bytes(&whole), "")
        })?;
        let name = stem.len() - last_component(stem).len();
        let mut head = directory(options, env, &whole)?;
        let mut shown = head.clone();
        shown.extend_from_slice(&whole);
        head.extend_from_slice(&whole[..name]);
        Ok(Self {
            head,
            template,
            trailing_slashes: tail.to_vec(),
            shown: OsString::from_vec(shown),
        })
    }

    /// Returns the path whose last component is `name`.
    pub(super) fn path(&self, name: &OsStr) -> PathBuf {
        let path = [&self.head, name.as_bytes(), &self.trailing_slashes].concat();
        PathBuf::from(OsString::from_vec(path))
    }

    /// Returns a random path.
    pub(super) fn random_path(&self, random: &mut Random) -> io::Result<CString> {
        let path = self.path(&self.template.name(random)?);
        Ok(CString::new(path.into_os_string().into_vec())?)
    }

    /// Opens the directory of the path.
    pub(super) fn open_dir(&self, kind: Kind) -> Result<Dir, Diagnostic> {
        let dir = match &self.head[..] {
            b"" => Path::new("."),
            head => Path::new(OsStr::from_bytes(head)),
        };
        let opened = match kind {
            // For open(2), a name that ends in a slash cannot be a file.
            Kind::File if !self.trailing_slashes.is_empty() => {
                Err(io::Error::from_raw_os_error(libc::EISDIR))
            }
            _ => Dir::open(dir),
        };
        opened.map_err(|err| self.creation_failed(kind, &err))
    }

    /// Returns the message if the entry cannot be created.
    pub(super) fn creation_failed(&self, kind: Kind, err: &io::Error) -> Diagnostic {
        Diagnostic::creation(kind.word(), &self.shown, err)
    }
}

/// Returns the template with its suffix. Without `--suffix`, the suffix is the text after the last X.
/// A suffix may contain slashes at its end only.
fn with_suffix(given: &OsStr, suffix: Option<&OsStr>) -> Result<Vec<u8>, Diagnostic> {
    let given_bytes = given.as_bytes();
    let mut whole = given_bytes.to_vec();
    let start = match suffix {
        Some(suffix) => {
            if !given_bytes.ends_with(b"X") {
                return Err(Diagnostic::of_name(
                    "with --suffix, template ",
                    given,
                    " must end in X",
                ));
            }
            whole.extend_from_slice(suffix.as_bytes());
            given_bytes.len()
        }
        None => given_bytes
            .iter()
            .rposition(|&byte| byte == b'X')
            .map_or(given_bytes.len(), |at| at + 1),
    };
    let suffix = &whole[start..];
    if !is_one_component(suffix) {
        return Err(Diagnostic::of_name(
            "invalid suffix ",
            OsStr::from_bytes(suffix),
            ", contains directory separator",
        ));
    }
    Ok(whole)
}

/// Returns the pattern of the last component. An explicit suffix is literal, even if it contains an X.
fn pattern(text: &[u8], suffix: Option<&[u8]>) -> Option<Template> {
    let parsed = TemplatePath::parse(OsStr::from_bytes(text)).ok()?;
    let suffix = match suffix {
        Some(suffix) => Some(Affix::parse(OsStr::from_bytes(suffix).to_owned()).ok()?),
        None => None,
    };
    Some(Template::choose(Some(parsed), None, suffix.as_ref()).1)
}

/// Returns the directory to put before the template, with a trailing slash.
fn directory(options: &MktempOptions<'_>, env: &Env, whole: &[u8]) -> Result<Vec<u8>, Diagnostic> {
    let named = options.dir.filter(|dir| !dir.is_empty());
    let dir = match options.rule {
        DirRule::AsGiven => return Ok(Vec::new()),
        DirRule::InTmpdir if !is_one_component(whole) => {
            return Err(Diagnostic::of_name(
                "invalid template, ",
                OsStr::from_bytes(whole),
                ", contains directory separator",
            ));
        }
        DirRule::InTmpdir => env.get("TMPDIR").or_else(|| named.map(OsStr::to_owned)),
        DirRule::InDir if whole.starts_with(b"/") => {
            return Err(Diagnostic::of_name(
                "invalid template, ",
                OsStr::from_bytes(whole),
                "; with --tmpdir, it may not be absolute",
            ));
        }
        DirRule::InDir => named.map(OsStr::to_owned).or_else(|| env.get("TMPDIR")),
    };
    let mut dir = dir.unwrap_or_else(|| "/tmp".into()).into_vec();
    let stem = split_trailing_slashes(&dir).0.len();
    // A directory that consists of slashes is the root, and is printed as it was given.
    if stem > 0 {
        dir.truncate(stem);
        dir.push(b'/');
    }
    Ok(dir)
}

/// Whether a path has one component, apart from slashes at its end.
fn is_one_component(path: &[u8]) -> bool {
    let (stem, _) = split_trailing_slashes(path);
    !path.starts_with(b"/") && last_component(stem).len() == stem.len()
}

/// Splits a path into its text and the slashes at its end.
fn split_trailing_slashes(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    path.split_at(end)
}

fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
