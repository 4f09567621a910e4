//! Paths and words in JSON, which must be UTF-8 although they need not be.
//!
//! A path in UTF-8 appears as it is. Any other path appears in base64 (RFC 4648, padded). Output then
//! uses another key, `path_b64` instead of `path`. Leases, and lists of words, use `{"b64": …}`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The path of an output object, flattened into the key `path` or `path_b64`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PathField<'a> {
    /// The path as it is.
    Path(&'a str),
    /// The path in base64.
    PathB64(String),
}

impl<'a> PathField<'a> {
    /// Chooses the key for a path.
    pub(crate) fn of(path: &'a Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Path(text),
            None => Self::PathB64(STANDARD.encode(path.as_os_str().as_bytes())),
        }
    }
}

/// The workspace of an output object, flattened into the key `workspace` or `workspace_b64`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkspaceField<'a> {
    /// The path as it is.
    Workspace(&'a str),
    /// The path in base64.
    WorkspaceB64(String),
}

impl<'a> WorkspaceField<'a> {
    /// Chooses the key for the workspace with this path.
    pub(crate) fn of(path: &'a Path) -> Self {
        match PathField::of(path) {
            PathField::Path(text) => Self::Workspace(text),
            PathField::PathB64(text) => Self::WorkspaceB64(text),
        }
    }
}

/// A name or path in a lease, or a word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OsJson(pub OsString);

impl OsJson {
    /// Returns it as a path.
    pub(crate) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Returns it as a name.
    pub(crate) fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

impl From<&Path> for OsJson {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().to_owned())
    }
}

impl From<PathBuf> for OsJson {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Base64 { b64: String },
}

impl Serialize for OsJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => Form::Base64 { b64: STANDARD.encode(self.0.as_bytes()) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OsJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into())),
            Form::Base64 { b64 } => {
                STANDARD.decode(b64).map(OsString::from_vec).map(Self).map_err(D::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_survive_a_lease(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let raw = OsJson(OsString::from_vec(bytes));
            let text = serde_json::to_string(&raw).unwrap();
            prop_assert_eq!(serde_json::from_str::<OsJson>(&text).unwrap(), raw);
        }
    }

    #[test]
    fn a_path_that_is_not_utf_8_has_another_key() {
        let json = |bytes: &[u8]| {
            serde_json::to_string(&PathField::of(Path::new(OsStr::from_bytes(bytes)))).unwrap()
        };
        assert_eq!(json(b"/tmp/a"), r#"{"path":"/tmp/a"}"#);
        assert_eq!(json(b"/tmp/\xff"), r#"{"path_b64":"L3RtcC//"}"#);
    }
}
