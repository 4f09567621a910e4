//! Creating files and directories: `tmpx file`, `dir` and `gettempdir`.

mod gettempdir;
mod options;
mod temp_dirs;
mod undelivered;
