//! The environment as a parameter: the core asks [`Env`], never the process.

#[cfg(test)]
use std::collections::HashMap;
#[cfg(test)]
use std::ffi::OsStr;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Where variables come from.
#[derive(Clone, Debug)]
pub(crate) enum Env {
    /// The process's own environment.
    Process,
    /// A fixed set.
    #[cfg(test)]
    Fixed(HashMap<OsString, OsString>),
}

impl Env {
    /// The value of a variable; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it to nothing: for those whose mere presence counts.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// All variables, these changed or added, as a new process is given them: `NAME=value`.
    pub(crate) fn with(&self, changed: &[(&'static str, OsString)]) -> io::Result<Vec<CString>> {
        let is_changed = |name: &OsString| changed.iter().any(|(other, _)| name == other);
        let kept: Vec<_> = match self {
            Self::Process => std::env::vars_os().filter(|(name, _)| !is_changed(name)).collect(),
            #[cfg(test)]
            Self::Fixed(variables) => variables
                .iter()
                .filter(|(name, _)| !is_changed(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        let new = changed.iter().map(|(name, value)| (OsString::from(name), value.clone()));
        kept.into_iter()
            .chain(new)
            .map(|(name, value)| {
                let mut variable = name.into_vec();
                variable.push(b'=');
                variable.extend_from_slice(value.as_bytes());
                Ok(CString::new(variable)?)
            })
            .collect()
    }

    /// The value of a variable, be it empty.
    pub(crate) fn value(&self, name: &str) -> Option<OsString> {
        match self {
            Self::Process => std::env::var_os(name),
            #[cfg(test)]
            Self::Fixed(variables) => variables.get(OsStr::new(name)).cloned(),
        }
    }

    /// The value of a variable that holds an absolute path; the XDG base directory specification
    /// has a relative one ignored, and so does tmpx for HOME.
    pub(crate) fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| Path::is_absolute(path))
    }
}
