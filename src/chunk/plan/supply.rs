//! Where chunks come from: files that have been planned whole, or streams.

use std::os::fd::BorrowedFd;

use anyhow::Context as _;
use rustix::event::PollFlags;

use crate::chunk::plan::chunk_plan::ChunkPlan;
use crate::chunk::plan::input::RecordInput;
use crate::chunk::plan::origin::Origins;
use crate::chunk::plan::part::Chunk;
use crate::chunk::plan::stream::Stream;
use crate::chunk::scan::cutter::Limit;
use crate::chunk::scan::error::InputError;
use crate::fs::rw::wait_for;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkTally {
    /// Chunks whose commands have succeeded, their records and bytes.
    pub chunks: u64,
    pub records: u64,
    pub bytes: u64,
}

/// Where chunks come from.
#[derive(Debug)]
pub(crate) enum Supply {
    /// Files, all of it planned.
    Plan(ChunkPlan, Vec<RecordInput>),
    /// Streams.
    Stream(Box<Stream>),
}

impl Supply {
    /// Opens inputs, and plans where to cut them if all of them are files.
    pub(crate) fn new(
        inputs: Vec<RecordInput>,
        limit: Limit,
        converts: bool,
    ) -> anyhow::Result<Self> {
        let format = |input: &RecordInput| input.dialect.format;
        if let Some(first) = inputs.first().filter(|_| !converts)
            && let Some(second) = inputs.iter().find(|other| format(other) != format(first))
        {
            // An empty one too: the first one gives the chunks their format.
            let [first, second] = [&first.name, &second.name].map(Clone::clone);
            return Err(InputError::FormatsDiffer { first, second }.into());
        }
        let mut origins = Origins::new(converts);
        if !inputs.iter().all(RecordInput::is_file) {
            return Ok(Self::Stream(Box::new(Stream::new(inputs, limit, origins))));
        }
        let plan = ChunkPlan::new(&inputs, limit, &mut origins)?;
        Ok(Self::Plan(plan, inputs))
    }

    /// How many chunks and records there are, and how many bytes, where that is known.
    pub(crate) fn total(&self) -> Option<ChunkTally> {
        match self {
            Self::Plan(plan, _) => {
                let (records, bytes) = plan.total();
                Some(ChunkTally { chunks: plan.len(), records, bytes })
            }
            Self::Stream(_) => None,
        }
    }

    /// Waits for chunks, and returns how many there are now; 0 at the end.
    pub(crate) fn ready(&mut self) -> anyhow::Result<u64> {
        match self {
            Self::Plan(plan, _) => Ok(plan.left()),
            Self::Stream(stream) => {
                while !stream.has_chunk()
                    && let Some(source) = stream.source()
                {
                    // A source that does not block would be asked again and again.
                    wait_for(source, PollFlags::IN).context("could not wait for the input")?;
                    stream.read()?;
                }
                Ok(stream.left())
            }
        }
    }

    /// Takes the next chunk that is ready.
    pub(crate) fn next_chunk(&mut self) -> Option<Chunk> {
        match self {
            Self::Plan(plan, _) => plan.next_chunk(),
            Self::Stream(stream) => stream.next_chunk(),
        }
    }

    /// The files that chunks lie in.
    pub(crate) fn inputs(&self) -> &[RecordInput] {
        match self {
            Self::Plan(_, inputs) => inputs,
            Self::Stream(_) => &[],
        }
    }

    /// What has to be read before there is another chunk.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plan(..) => None,
            Self::Stream(stream) if stream.has_chunk() => None,
            Self::Stream(stream) => stream.source(),
        }
    }
}
