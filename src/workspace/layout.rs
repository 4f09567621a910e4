//! What a workspace is to hold before anything runs in it, planned before anything is made.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::values::ErrorExt as _;
use crate::values::error::usage;
use crate::workspace::dir::TEMP_DIR;
use crate::workspace::private_tmp::VAR_TEMP_DIR;

/// A plan of what goes into a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Directories to make, relative to the workspace.
    pub dirs: Vec<PathBuf>,
    /// What is copied in.
    pub inputs: Vec<LayoutInput>,
}

/// Something to copy into a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayoutInput {
    /// What, absolute or relative to the working directory.
    pub source: PathBuf,
    /// Where to, relative to the workspace.
    pub dest: PathBuf,
    /// Whether what is in the directory is copied, and not the directory.
    pub contents: bool,
}

impl Layout {
    /// Plans a layout from `--mkdir REL` and `--in SRC[:DEST]`.
    pub(crate) fn plan(dirs: &[PathBuf], inputs: &[OsString]) -> anyhow::Result<Self> {
        let dirs = dirs
            .iter()
            .map(|dir| within(dir).with_context(|| format!("--mkdir {}", dir.display())))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut layout = Self { dirs, inputs: Vec::new() };
        for spec in inputs {
            let input = layout
                .input(spec)
                .with_context(|| format!("--in {}", Path::new(spec).display()))?;
            layout.inputs.push(input);
        }
        layout.refuse_clashes()?;
        Ok(layout)
    }

    fn input(&self, spec: &OsStr) -> anyhow::Result<LayoutInput> {
        let (source, dest) = split(spec, |whole| whole.symlink_metadata().is_ok());
        let metadata = std::fs::metadata(&source).or_else(|err| {
            let wild = source.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte));
            if wild { Err(err).hint("--in takes a name, no pattern") } else { Err(err.into()) }
        })?;
        // `dir/.` means what is in it, as for cp and docker cp, and so does a bare `.`.
        let dotted = source.file_name().is_none() || source.as_os_str().as_bytes().ends_with(b"/.");
        let contents = metadata.is_dir() && dotted;
        let into = |dir: PathBuf| -> anyhow::Result<PathBuf> {
            if contents { Ok(dir) } else { Ok(dir.join(base_name(&source)?)) }
        };
        let dest = match dest {
            None => into(PathBuf::new())?,
            Some(dest) => {
                let path = within(&dest)?;
                let is_dir = path.as_os_str().is_empty()
                    || dest.as_os_str().as_bytes().ends_with(b"/")
                    || self.dirs.contains(&path);
                if is_dir { into(path)? } else { path }
            }
        };
        Ok(LayoutInput { source, dest, contents })
    }

    fn refuse_clashes(&self) -> anyhow::Result<()> {
        let mut taken: HashSet<&Path> = self.dirs.iter().map(PathBuf::as_path).collect();
        taken.extend([TEMP_DIR, VAR_TEMP_DIR].map(Path::new));
        for input in &self.inputs {
            let name = input.dest.as_path();
            if name.as_os_str().is_empty() {
                continue;
            }
            let joins = input.contents && self.dirs.iter().any(|dir| dir == name);
            if !taken.insert(name) && !joins {
                return Err(anyhow!(
                    "two things would be called {} in the workspace",
                    name.display()
                ))
                .hint("name one of them otherwise, as in --in SRC:DEST");
            }
        }
        Ok(())
    }
}

/// Splits `SRC:DEST` at its last colon, unless there is a source with that whole name.
pub(crate) fn split(
    spec: &OsStr,
    exists: impl FnOnce(&Path) -> bool,
) -> (PathBuf, Option<PathBuf>) {
    let whole = Path::new(spec);
    let bytes = spec.as_bytes();
    match bytes.iter().rposition(|&byte| byte == b':') {
        Some(at) if at > 0 && !exists(whole) => {
            let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
            let dest = &bytes[at + 1..];
            (path(&bytes[..at]), (!dest.is_empty()).then(|| path(dest)))
        }
        _ => (whole.to_owned(), None),
    }
}

/// A path in the workspace, without `.` and doubled slashes.
fn within(path: &Path) -> anyhow::Result<PathBuf> {
    let mut within = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => within.push(name),
            Component::CurDir => {}
            _ => return Err(usage("must be a path inside the workspace, without ..")),
        }
    }
    Ok(within)
}

/// The name that a source has, also where it is given as `.` or `..`.
fn base_name(source: &Path) -> anyhow::Result<OsString> {
    let named = source.file_name().map(OsStr::to_owned);
    let name = match named {
        Some(name) => Some(name),
        None => std::fs::canonicalize(source)?.file_name().map(OsStr::to_owned),
    };
    name.ok_or_else(|| usage("has no name of its own; say SRC:DEST"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_split_at_its_last_colon_unless_it_exists_whole() {
        let split = |spec: &str, whole| split(OsStr::new(spec), |_| whole);
        assert_eq!(split("a:b", false), ("a".into(), Some("b".into())));
        assert_eq!(split("a:b", true), ("a:b".into(), None));
        assert_eq!(split("a:b:c", false), ("a:b".into(), Some("c".into())));
        assert_eq!(split("a:", false), ("a".into(), None));
        assert_eq!(split(":a", false), (":a".into(), None));
        assert_eq!(split("plain", false), ("plain".into(), None));
    }

    #[test]
    fn nothing_goes_outside_the_workspace() {
        assert_eq!(within(Path::new("./a//b/")).unwrap(), Path::new("a/b"));
        for bad in ["/a", "..", "a/../../b"] {
            assert!(within(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_things_of_one_name_are_refused_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, "").unwrap();
        let spec = |dest: &str| OsString::from(format!("{}:{dest}", file.display()));
        let plan = |dirs: &[&str], inputs: &[OsString]| {
            Layout::plan(&dirs.iter().map(PathBuf::from).collect::<Vec<_>>(), inputs)
        };
        assert!(plan(&[], &[spec("x"), spec("x")]).is_err());
        assert!(plan(&[], &[spec(".tmp")]).is_err());
        let inside = plan(&["x"], &[spec("x")]).unwrap();
        assert_eq!(inside.inputs[0].dest, Path::new("x/a"), "into the directory, as cp does");
        assert_eq!(plan(&[], &[spec("y/")]).unwrap().inputs[0].dest, Path::new("y/a"));
    }
}
