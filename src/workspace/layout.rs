//! Plans what a workspace contains before a command runs in it. Creates nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// The temp dir in a workspace. A plain `ls` and patterns do not show it.
pub(crate) const TEMP_DIR: &str = ".tmp";

/// The directory that a private /var/tmp is mounted from. It is not [`TEMP_DIR`]: a program may use
/// the same name in /tmp and in /var/tmp.
pub(super) const VAR_TEMP_DIR: &str = ".tmp-var";

/// Why a directory or an input cannot be part of a layout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("must be a path inside the workspace, without ..")]
    OutsideWorkspace,
    #[error("{}", .cause)]
    NoSource {
        /// Whether the name looks like a pattern that no shell has expanded.
        looks_like_pattern: bool,
        cause: io::Error,
    },
    #[error("two inputs would both be {}", .0.display())]
    DuplicateDestination(PathBuf),
}

/// The directories and inputs of a workspace.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    dirs: BTreeSet<PathBuf>,
    inputs: Vec<LayoutInput>,
    /// The paths that inputs are copied to.
    destinations: BTreeSet<PathBuf>,
}

/// A file or directory to copy into a workspace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LayoutInput {
    /// The path of the source, absolute or relative to the working directory.
    pub(super) source: PathBuf,
    /// The path of the copy, relative to the workspace.
    pub(super) dest: PathBuf,
    /// Whether to copy the content of the directory `source` and not the directory itself.
    pub(super) contents: bool,
}

impl Layout {
    /// Adds a directory, relative to the workspace.
    pub(crate) fn add_dir(&mut self, dir: &Path) -> Result<(), LayoutError> {
        self.dirs.insert(inside_workspace(dir)?);
        Ok(())
    }

    /// Adds an input, `SRC[:DEST]`. It is copied into DEST if that ends in a slash or is a directory
    /// that has been added.
    pub(crate) fn add_input(&mut self, spec: &OsStr) -> Result<(), LayoutError> {
        let (source, dest) = split(spec, |whole| whole.symlink_metadata().is_ok());
        let metadata = std::fs::metadata(&source).map_err(|cause| {
            let looks_like_pattern =
                source.as_os_str().as_bytes().iter().any(|c| b"*?[".contains(c));
            LayoutError::NoSource { looks_like_pattern, cause }
        })?;
        // As for cp and docker cp, `dir/.` means the content of dir, and so do `.` and `..`.
        let name = source.file_name();
        let is_dotted = name.is_none() || source.as_os_str().as_bytes().ends_with(b"/.");
        let contents = metadata.is_dir() && is_dotted;
        let into = |dir: PathBuf| match name {
            Some(name) if !contents => dir.join(name),
            _ => dir,
        };
        let dest = match dest {
            None => into(PathBuf::new()),
            Some(dest) => {
                let path = inside_workspace(&dest)?;
                let is_dir = path.as_os_str().is_empty()
                    || dest.as_os_str().as_bytes().ends_with(b"/")
                    || self.dirs.contains(&path);
                if is_dir { into(path) } else { path }
            }
        };
        self.check_destination(&dest, contents)?;
        self.destinations.insert(dest.clone());
        self.inputs.push(LayoutInput { source, dest, contents });
        Ok(())
    }

    /// Contents may join a directory; everything else needs a path of its own.
    fn check_destination(&self, dest: &Path, contents: bool) -> Result<(), LayoutError> {
        let is_dir = self.dirs.contains(dest);
        let is_reserved = [TEMP_DIR, VAR_TEMP_DIR].iter().any(|name| dest == Path::new(name));
        let is_taken = is_reserved || is_dir || self.destinations.contains(dest);
        let may_join = dest.as_os_str().is_empty() || contents && is_dir;
        if is_taken && !may_join {
            return Err(LayoutError::DuplicateDestination(dest.to_owned()));
        }
        Ok(())
    }

    /// The directories to create, each after its parents.
    pub(super) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(PathBuf::as_path)
    }

    /// Whether there is anything to copy.
    pub(crate) fn has_inputs(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// The inputs to copy, in the order of the command line.
    pub(super) fn inputs(&self) -> &[LayoutInput] {
        &self.inputs
    }
}

/// Splits `SRC:DEST` at its last colon, unless `exists` says that the whole is a name.
pub(super) fn split(
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

/// Returns a path relative to the workspace, without `.` and repeated slashes.
fn inside_workspace(path: &Path) -> Result<PathBuf, LayoutError> {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            _ => return Err(LayoutError::OutsideWorkspace),
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn a_spec_is_split_at_its_last_colon_unless_the_whole_exists() {
        let split = |spec: &str, whole| split(OsStr::new(spec), |_| whole);
        assert_eq!(split("a:b", false), ("a".into(), Some("b".into())));
        assert_eq!(split("a:b", true), ("a:b".into(), None));
        assert_eq!(split("a:b:c", false), ("a:b".into(), Some("c".into())));
        assert_eq!(split("a:", false), ("a".into(), None));
        assert_eq!(split(":a", false), (":a".into(), None));
        assert_eq!(split("plain", false), ("plain".into(), None));
    }

    #[test]
    fn a_path_outside_the_workspace_is_refused() {
        assert_eq!(inside_workspace(Path::new("./a//b/")).unwrap(), Path::new("a/b"));
        for bad in ["/a", "..", "a/../../b"] {
            let err = inside_workspace(Path::new(bad)).unwrap_err();
            assert!(matches!(err, LayoutError::OutsideWorkspace), "{bad}");
        }
    }

    /// A source tree: the file `a` and the directory `d`.
    struct Sources(tempfile::TempDir);

    impl Sources {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("a"), "").unwrap();
            std::fs::create_dir(dir.path().join("d")).unwrap();
            Self(dir)
        }

        /// The destinations of these inputs in a workspace with these directories.
        fn plan(&self, dirs: &[&str], inputs: &[&str]) -> Result<Vec<PathBuf>, LayoutError> {
            let mut layout = Layout::default();
            for dir in dirs {
                layout.add_dir(Path::new(dir))?;
            }
            for input in inputs {
                let spec = format!("{}/{input}", self.0.path().display());
                layout.add_input(&OsString::from(spec))?;
            }
            Ok(layout.inputs.into_iter().map(|input| input.dest).collect())
        }
    }

    #[test]
    fn an_input_gets_its_own_name_unless_dest_names_it() {
        let sources = Sources::new();
        let dest = |dirs: &[&str], input| sources.plan(dirs, &[input]).unwrap().remove(0);
        assert_eq!(dest(&[], "a"), Path::new("a"));
        assert_eq!(dest(&[], "a:x"), Path::new("x"));
        assert_eq!(dest(&[], "a:x/"), Path::new("x/a"));
        assert_eq!(dest(&["x"], "a:x"), Path::new("x/a"), "into the directory, as cp does");
        assert_eq!(dest(&[], "d"), Path::new("d"));
        assert_eq!(dest(&[], "d/."), Path::new(""));
        assert_eq!(dest(&[], "d/.:x/"), Path::new("x"));
        assert_eq!(dest(&[], "d/../"), Path::new(""));
    }

    #[test]
    fn a_destination_that_is_taken_is_refused() {
        let sources = Sources::new();
        for (dirs, inputs) in [
            (&[][..], &["a:x", "a:x"][..]),
            (&[], &["a:.tmp"]),
            (&[], &["d/.:.tmp-var"]),
            (&["x/a"], &["a:x/"]),
        ] {
            let err = sources.plan(dirs, inputs).unwrap_err();
            assert!(matches!(err, LayoutError::DuplicateDestination(_)), "{inputs:?}: {err}");
        }
        assert!(sources.plan(&["x"], &["d/.:x", "d/.", "a"]).is_ok(), "contents join a directory");
    }

    #[test]
    fn a_source_that_is_missing_may_look_like_a_pattern() {
        for (input, expected) in [("nosuch", false), ("*.c", true)] {
            match Sources::new().plan(&[], &[input]).unwrap_err() {
                LayoutError::NoSource { looks_like_pattern, .. } => {
                    assert_eq!(looks_like_pattern, expected, "{input}");
                }
                err => panic!("{err}"),
            }
        }
    }
}
