//! The arguments and the environment of tmpx, as a parameter: the core asks [`Env`], never the
//! process.

#[cfg(test)]
use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// How tmpx was called.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    args: Vec<OsString>,
    variables: Variables,
}

/// Where the environment variables come from.
#[derive(Clone, Debug)]
enum Variables {
    /// The environment of the process.
    Process,
    #[cfg(test)]
    Fixed(HashMap<OsString, OsString>),
}

impl Env {
    /// Returns the environment of this process, which was called with `args`.
    pub(crate) fn process(args: Vec<OsString>) -> Self {
        Self { args, variables: Variables::Process }
    }

    /// Returns an environment that holds only these variables.
    #[cfg(test)]
    pub(crate) fn fixed(variables: &[(&str, &str)]) -> Self {
        let owned = variables.iter().map(|&(name, value)| (name.into(), value.into()));
        Self { args: Vec::new(), variables: Variables::Fixed(owned.collect()) }
    }

    /// The arguments of tmpx. The first is the name that it was called by.
    pub(crate) fn args(&self) -> &[OsString] {
        &self.args
    }

    /// Returns the value of a variable. An empty variable counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, even if it is empty.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Returns all variables as `NAME=value`, with these changed or added, for a new process.
    pub(crate) fn with(&self, changed: &[(&'static str, OsString)]) -> io::Result<Vec<CString>> {
        let is_changed = |name: &OsString| changed.iter().any(|(other, _)| name == other);
        let kept: Vec<_> = match &self.variables {
            Variables::Process => {
                std::env::vars_os().filter(|(name, _)| !is_changed(name)).collect()
            }
            #[cfg(test)]
            Variables::Fixed(variables) => variables
                .iter()
                .filter(|(name, _)| !is_changed(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        let kept = kept.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        let new = changed.iter().map(|(name, value)| (OsStr::new(name), value.as_os_str()));
        kept.chain(new)
            .map(|(name, value)| {
                // With the byte that ends the string, so that it is not copied again.
                let mut variable = Vec::with_capacity(name.len() + value.len() + 2);
                variable.extend_from_slice(name.as_bytes());
                variable.push(b'=');
                variable.extend_from_slice(value.as_bytes());
                Ok(CString::new(variable)?)
            })
            .collect()
    }

    /// Returns the value of a variable, which may be empty.
    pub(crate) fn value(&self, name: &str) -> Option<OsString> {
        match &self.variables {
            Variables::Process => std::env::var_os(name),
            #[cfg(test)]
            Variables::Fixed(variables) => variables.get(OsStr::new(name)).cloned(),
        }
    }

    /// Returns the value of a variable that holds an absolute path. The XDG base directory
    /// specification says that a relative path is ignored, and tmpx treats HOME the same way.
    pub(crate) fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| Path::is_absolute(path))
    }
}
