//! Which path is to be made: GNU mktemp's rules for templates, suffixes and directories.

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

/// The template that is used when none is given.
const DEFAULT_TEMPLATE: &str = "tmp.XXXXXXXXXX";

/// A path with random characters in its last component. It is kept as it was given, in pieces: what
/// is printed is the caller's own text.
#[derive(Debug)]
pub(super) struct MktempTarget {
    /// All before the last component, the slash included.
    head: Vec<u8>,
    /// The last component.
    pub(super) template: Template,
    /// Slashes after it, which only a suffix can bring.
    tail: Vec<u8>,
    /// The template as it stands in messages.
    shown: OsString,
}

impl MktempTarget {
    /// Finds out what the options ask for.
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
        Ok(Self { head, template, tail: tail.to_vec(), shown: OsString::from_vec(shown) })
    }

    /// The path, its last component of this name.
    pub(super) fn path(&self, name: &OsStr) -> PathBuf {
        let path = [&self.head, name.as_bytes(), &self.tail].concat();
        PathBuf::from(OsString::from_vec(path))
    }

    /// A path to try.
    pub(super) fn random_path(&self, random: &mut Random) -> io::Result<CString> {
        let path = self.path(&self.template.name(random)?);
        Ok(CString::new(path.into_os_string().into_vec())?)
    }

    /// Opens the directory that it lies in.
    pub(super) fn open_place(&self, kind: Kind) -> Result<Dir, Diagnostic> {
        let dir = match &self.head[..] {
            b"" => Path::new("."),
            head => Path::new(OsStr::from_bytes(head)),
        };
        let opened = match kind {
            // A name with a slash after it is no file's, as open(2) has it.
            Kind::File if !self.tail.is_empty() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
            _ => Dir::open(dir),
        };
        opened.map_err(|err| self.creation_failed(kind, &err))
    }

    /// What is said when it could not be made.
    pub(super) fn creation_failed(&self, kind: Kind, err: &io::Error) -> Diagnostic {
        Diagnostic::creation(kind.word(), &self.shown, err)
    }
}

/// The template and the suffix after it. Without `--suffix`, what follows the last X is the suffix;
/// either way a slash in it is refused, but not one at its very end.
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

/// The pattern of the last component. A given suffix counts as it is, even where it holds an X.
fn pattern(text: &[u8], suffix: Option<&[u8]>) -> Option<Template> {
    let parsed = TemplatePath::parse(OsStr::from_bytes(text)).ok()?;
    let suffix = match suffix {
        Some(suffix) => Some(Affix::parse(OsStr::from_bytes(suffix).to_owned()).ok()?),
        None => None,
    };
    Some(Template::choose(Some(parsed), None, suffix.as_ref()).1)
}

/// The directory that is put before the template, with a slash after it.
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
    // A directory of nothing but slashes is the root, and stays as it was given.
    if stem > 0 {
        dir.truncate(stem);
        dir.push(b'/');
    }
    Ok(dir)
}

/// Whether nothing but slashes at the end follows the first component.
fn is_one_component(path: &[u8]) -> bool {
    let (stem, _) = split_trailing_slashes(path);
    !path.starts_with(b"/") && last_component(stem).len() == stem.len()
}

/// A path, and the slashes at its end.
fn split_trailing_slashes(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    path.split_at(end)
}

/// What follows the last slash.
fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
