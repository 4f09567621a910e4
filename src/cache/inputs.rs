//! What the key of a run is made of.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, stat};
use rustix::io::Errno;

use crate::cache::key::{CacheKey, KeyField};
use crate::fs::FileStamp;
use crate::fs::transfer::{self, BLOCK};
use crate::os::{CurrentDir, Env, NoCurrentDir};
use crate::process::find_program;

/// The inputs of a key.
#[derive(Debug)]
pub(crate) struct KeyInputs<'a> {
    pub(crate) words: &'a [OsString],
    pub(crate) env: &'a Env,
    /// The working directory, to which a program and relative paths are relative.
    pub(crate) search_dir: &'a CurrentDir,
    /// Whether it is part of the key.
    pub(crate) uses_cwd: bool,
    pub(crate) extra: &'a [OsString],
    pub(crate) variables: &'a [String],
    pub(crate) files: &'a [PathBuf],
    /// The hash of standard input.
    pub(crate) stdin: Option<[u8; 32]>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("could not read {}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    #[error(transparent)]
    NoCurrentDir(#[from] NoCurrentDir),
}

impl KeyInputs<'_> {
    /// Builds the key from the inputs as they are now.
    pub(crate) fn key(&self) -> Result<CacheKey, KeyError> {
        let mut key = CacheKey::new();
        for word in self.words {
            key.push(KeyField::Arg, word.as_bytes());
        }
        if self.uses_cwd {
            key.push(KeyField::Cwd, self.search_dir.require()?.as_os_str().as_bytes());
        }
        self.push_program(&mut key);
        for extra in self.extra {
            key.push(KeyField::Extra, extra.as_bytes());
        }
        for name in self.variables {
            key.push(KeyField::VariableName, name.as_bytes());
            if let Some(value) = self.env.value(name) {
                key.push(KeyField::VariableValue, value.as_bytes());
            }
        }
        for path in self.files {
            key.push(KeyField::FilePath, path.as_os_str().as_bytes());
            if let Some(hash) = hash_of_file(path)? {
                key.push(KeyField::FileHash, &hash);
            }
        }
        if let Some(hash) = &self.stdin {
            key.push(KeyField::StdinHash, hash);
        }
        Ok(key)
    }

    /// Adds the program that would run, so that an upgrade is a miss.
    fn push_program(&self, key: &mut CacheKey) {
        let Some(program) = self.words.first() else { return };
        let Ok(path) = find_program(program, self.env, self.search_dir) else { return };
        key.push(KeyField::ProgramPath, path.as_os_str().as_bytes());
        if let Ok(stat) = stat(&path) {
            // A new link to the program is no upgrade.
            let file = FileStamp::from(&stat).content_key();
            key.push(KeyField::ProgramFile, &file);
        }
    }
}

/// Returns the hash of a file's content, or `None` if there is no file. Time stamps can lie, so the
/// content is read each time.
fn hash_of_file(path: &Path) -> Result<Option<[u8; 32]>, KeyError> {
    let unreadable = |source: io::Error| KeyError::Unreadable { path: path.to_owned(), source };
    // A FIFO must not make tmpx wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(err) => return Err(unreadable(err.into())),
    };
    let stat = fstat(&file).map_err(|err| unreadable(err.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(KeyError::NotRegular(path.to_owned()));
    }
    hash_to_end(file, |_| Ok(())).map(Some).map_err(unreadable)
}

/// Reads a stream to its end, passes each block on, and returns the hash of all.
pub(crate) fn hash_to_end(
    from: impl AsFd,
    mut pass: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut block = Vec::with_capacity(BLOCK);
    while transfer::read(&from, &mut block)? > 0 {
        hasher.update(&block);
        pass(&block)?;
        block.clear();
    }
    Ok(*hasher.finalize().as_bytes())
}
