//! A chunk whose command runs.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, unlinkat};
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, Rlimit};

use crate::chunk::plan::input::RecordInput;
use crate::chunk::plan::part::Chunk;
use crate::chunk::run::convert::JsonForm;
use crate::chunk::run::feed::{Feed, FeedStep};
use crate::chunk::run::held::{Held, OpenSpillFile};
use crate::fs::Dir;
use crate::fs::dir::create_new;
use crate::os::{CurrentDir, Env};
use crate::process::{Children, Command, open_no_input, replace_placeholder};
use crate::values::Status;

/// How long a process that the command left behind may keep its output open.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// A chunk larger than this gets wide pipes, in bytes: they cost more than a small one takes.
const WIDE_FROM: u64 = 64 * 1024;

/// How wide they are, in bytes.
const PIPE: usize = 1 << 20;

/// The word of a command that stands for the path of the chunk.
pub(crate) const PLACEHOLDER: &str = "{}";

/// What commands are started with.
#[derive(Debug)]
pub(crate) struct CommandSpec<'a> {
    /// The words of the command.
    pub words: &'a [OsString],
    /// Its environment.
    pub env: &'a Env,
    /// The caller's working directory.
    pub cwd: &'a CurrentDir,
    /// The limit on open files that they find, where it is not that of tmpx.
    pub fd_limit: Option<Rlimit>,
    /// What records are converted to.
    pub form: Option<JsonForm>,
    /// The directory for files with chunks, and their suffix, where the command has a placeholder.
    pub files: Option<(Rc<Dir>, &'static str)>,
}

/// What a message or report says of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its number, from 0.
    pub number: u64,
    /// Its records: the number of the first, from 0, and how many there are.
    pub first_row: u64,
    pub rows: u64,
    /// The input in which it begins.
    pub name: PathBuf,
    /// Where in the input it begins, and how many bytes of records it has.
    pub at: u64,
    pub bytes: u64,
}

impl Place {
    pub(crate) fn of(chunk: &Chunk) -> Self {
        let first = chunk.parts.first();
        Self {
            number: chunk.number,
            first_row: chunk.first_row,
            rows: chunk.rows,
            name: first.map_or_else(|| chunk.head.name.clone(), |part| part.origin.name.clone()),
            at: first.map_or(0, |part| part.at),
            bytes: chunk.parts.iter().map(|part| part.data.len()).sum(),
        }
    }
}

/// A chunk whose command runs.
#[derive(Debug)]
pub(crate) struct ChunkJob {
    pub place: Place,
    pub pid: Pid,
    /// What it gets as standard input.
    feed: Option<Feed>,
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub held: Held,
    /// How the command ended, and when.
    pub ended: Option<(Status, Instant)>,
    /// The file with the chunk.
    file: Option<(Rc<Dir>, OsString)>,
}

impl ChunkJob {
    /// Starts the command on a chunk.
    pub(crate) fn start(
        chunk: Chunk,
        spec: &CommandSpec<'_>,
        inputs: &[RecordInput],
        children: &mut Children,
    ) -> anyhow::Result<Self> {
        let place = Place::of(&chunk);
        let to_write = Feed::new(chunk, spec.form);
        let mut words = spec.words.to_vec();
        let (mut file, mut stdin, mut feed) = (None, None, None);
        let child_stdin = if let Some((dir, suffix)) = &spec.files {
            let name = OsString::from(format!("chunk-{:06}{suffix}", place.number));
            write_file(dir, &name, to_write, inputs)?;
            replace_placeholder(&mut words, PLACEHOLDER, &dir.join(&name));
            file = Some((Rc::clone(dir), name));
            open_no_input().context("could not open /dev/null")?
        } else {
            let (reader, writer) = pipe(place.bytes)?;
            ioctl_fionbio(&writer, true).context("could not create a pipe")?;
            stdin = Some(writer);
            feed = Some(to_write);
            reader
        };
        let (reader, writer) = pipe(place.bytes)?;
        ioctl_fionbio(&reader, true).context("could not create a pipe")?;
        let mut command = Command::new(words, spec.env, spec.cwd);
        command.set_env("TMPX_CHUNK", place.number.to_string());
        command.set_env("TMPX_CHUNK_ROWS", place.rows.to_string());
        if let Some(limit) = spec.fd_limit {
            command.limit_fds(limit);
        }
        command.pass_fd(child_stdin, 0);
        command.pass_fd(writer, 1);
        let pid = children.start(command)?;
        let held = Held::default();
        let stdout = Some(reader);
        Ok(Self { place, pid, feed, stdin, stdout, held, ended: None, file })
    }

    /// Feeds the command what it reads now.
    pub(crate) fn feed(&mut self, inputs: &[RecordInput]) -> anyhow::Result<()> {
        if let (Some(stdin), Some(feed)) = (&self.stdin, &mut self.feed)
            && feed.write(stdin.as_fd(), inputs)? == FeedStep::Done
        {
            self.stdin = None;
        }
        Ok(())
    }

    /// Checks that the command has read what was planned, once it has ended.
    pub(crate) fn check_inputs(&self, inputs: &[RecordInput]) -> anyhow::Result<()> {
        self.feed.as_ref().map_or(Ok(()), |feed| feed.check_sent(inputs))
    }

    /// Takes what the command has written.
    pub(crate) fn collect(&mut self, open: OpenSpillFile<'_>) -> anyhow::Result<()> {
        if let Some(stdout) = &self.stdout
            && self.held.take(stdout.as_fd(), open)?
        {
            self.stdout = None;
        }
        Ok(())
    }

    /// Takes what the command has written and nobody has read yet, when no more is waited for. What a process
    /// that it left behind writes meanwhile may be among that.
    pub(crate) fn collect_rest(&mut self, open: OpenSpillFile<'_>) -> anyhow::Result<()> {
        let most = self.held.len() + PIPE as u64;
        loop {
            let before = self.held.len();
            self.collect(open)?;
            if !(before + 1..most).contains(&self.held.len()) {
                return Ok(());
            }
        }
    }

    /// Whether the command has exited and its output has been read, or has been waited for long enough.
    pub(crate) fn is_done(&self, now: Instant) -> bool {
        match self.ended {
            Some((_, at)) => self.stdout.is_none() || now.duration_since(at) >= LINGER,
            None => false,
        }
    }

    /// Notes that the command has ended. What it has not read is not written.
    pub(crate) fn end(&mut self, status: Status, now: Instant) {
        self.ended = Some((status, now));
        self.stdin = None;
        if let Some((dir, name)) = self.file.take() {
            // What stays is removed with its directory.
            let _ = unlinkat(&*dir, &name, AtFlags::empty());
        }
    }
}

fn pipe(bytes: u64) -> anyhow::Result<(OwnedFd, OwnedFd)> {
    let pipe = pipe_with(PipeFlags::CLOEXEC).context("could not create a pipe")?;
    if bytes > WIDE_FROM {
        let _ = fcntl_setpipe_size(&pipe.1, PIPE);
    }
    Ok(pipe)
}

fn write_file(
    dir: &Dir,
    name: &OsStr,
    mut feed: Feed,
    inputs: &[RecordInput],
) -> anyhow::Result<()> {
    let path = dir.join(name);
    let file = create_new(dir, name, Mode::RUSR | Mode::WUSR)
        .with_context(|| format!("could not create {}", path.display()))?;
    feed.write(file.as_fd(), inputs)
        .map(drop)
        .with_context(|| format!("could not write {}", path.display()))
}
