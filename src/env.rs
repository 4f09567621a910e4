//! The environment as a parameter: the core asks [`Env`], never the process.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where variables come from.
#[derive(Clone, Debug)]
pub enum Env {
    /// The process's own environment.
    Process,
    /// A fixed set, for tests.
    Fixed(HashMap<OsString, OsString>),
}

impl Env {
    /// The value of a variable; an empty one counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<OsString> {
        self.look_up(name).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it to nothing: for those whose mere presence counts.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.look_up(name).is_some()
    }

    fn look_up(&self, name: &str) -> Option<OsString> {
        match self {
            Self::Process => std::env::var_os(name),
            Self::Fixed(variables) => variables.get(OsStr::new(name)).cloned(),
        }
    }

    /// The value of a variable that holds an absolute path; the XDG base directory specification
    /// has a relative one ignored, and so does tmpx for HOME.
    #[must_use]
    pub fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| Path::is_absolute(path))
    }
}
