//! The format of an entry: a header, the full key, then the output in the order in which it appeared.
//!
//! ```text
//! header (128 bytes, little endian) | key | frame | frame | …        frame: word, bytes
//! ```
//!
//! The word of a frame is the number of its bytes; its top bit says that they are stderr's. The header
//! has a checksum of itself and the key, and one of all frames, and the length of each part. So an
//! entry that is cut, longer, zeroed or changed anywhere is found before a byte of it is printed.

use crate::cache::checksum::Checksum;
use crate::os::{BootClock, Moment};
use crate::values::Status;

/// The first bytes. The last but one is the version of the format.
pub(super) const MAGIC: [u8; 8] = *b"tmpxca\x01\n";

/// The first bytes in each version.
pub(super) const ANY_VERSION: [u8; 6] = *b"tmpxca";

/// The size of the header, in bytes.
pub(super) const HEADER: usize = 128;

/// The size of the word that begins a frame, in bytes.
pub(super) const WORD: usize = 4;

const STDERR_BIT: u32 = 1 << 31;

/// The largest key, in bytes. The system passes fewer to a program (`execve(2)`).
const MAX_KEY: u32 = 16 << 20;

/// The largest number of a signal.
const MAX_SIGNAL: i32 = 64;

/// A stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Out,
    Err,
}

impl OutputStream {
    pub(super) const BOTH: [Self; 2] = [Self::Out, Self::Err];

    /// 0 for stdout and 1 for stderr.
    pub(super) fn index(self) -> usize {
        usize::from(self == Self::Err)
    }
}

/// The beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutputFrame {
    pub(super) stream: OutputStream,
    pub(super) length: u32,
}

impl OutputFrame {
    pub(super) fn to_word(self) -> [u8; WORD] {
        let bit = if self.stream == OutputStream::Err { STDERR_BIT } else { 0 };
        (self.length | bit).to_le_bytes()
    }

    pub(super) fn from_word(word: [u8; WORD]) -> Self {
        let word = u32::from_le_bytes(word);
        let stream = if word & STDERR_BIT == 0 { OutputStream::Out } else { OutputStream::Err };
        Self { stream, length: word & !STDERR_BIT }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunStatus {
    Exited(u8),
    Signalled(i32),
}

impl RunStatus {
    /// Returns how a command ended, if it ran.
    pub(crate) fn of(status: Status) -> Option<Self> {
        match status {
            Status::Command(code) => Some(Self::Exited(code)),
            Status::Signal(signal) => Some(Self::Signalled(signal)),
            _ => None,
        }
    }

    pub(crate) fn succeeded(self) -> bool {
        self == Self::Exited(0)
    }

    fn to_number(self) -> i32 {
        match self {
            Self::Exited(code) => code.into(),
            Self::Signalled(signal) => -signal,
        }
    }

    fn from_number(number: i32) -> Option<Self> {
        match u8::try_from(number) {
            Ok(code) => Some(Self::Exited(code)),
            Err(_) if (-MAX_SIGNAL..0).contains(&number) => Some(Self::Signalled(-number)),
            Err(_) => None,
        }
    }
}

impl From<RunStatus> for Status {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Exited(code) => Self::Command(code),
            RunStatus::Signalled(signal) => Self::Signal(signal),
        }
    }
}

/// What an entry says of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    pub status: RunStatus,
    /// The TTL that it was stored with, in milliseconds.
    pub ttl_ms: u64,
    /// When it was stored.
    pub stored: Moment,
    /// When its run began, on the boot clock.
    pub began_boot_ms: u64,
    /// The clock of both, where it is known.
    pub boot: Option<BootClock>,
    /// The number of bytes of output.
    pub bytes: u64,
    /// The size of the key.
    pub key_length: u32,
    /// The size of all frames.
    pub frames_length: u64,
    /// The checksum of all frames.
    pub frames_checksum: u64,
}

impl EntryHeader {
    /// Returns the header as bytes.
    pub(super) fn encode(&self, key: &[u8]) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let boot = self.boot.unwrap_or(BootClock { boot: 0, time_ns: 0 });
        let mut at = 16;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.frames_checksum.to_le_bytes());
        put(&self.frames_length.to_le_bytes());
        put(&self.bytes.to_le_bytes());
        put(&self.key_length.to_le_bytes());
        put(&self.status.to_number().to_le_bytes());
        put(&self.ttl_ms.to_le_bytes());
        put(&self.stored.wall_ms.to_le_bytes());
        put(&self.stored.boot_ms.to_le_bytes());
        put(&self.began_boot_ms.to_le_bytes());
        put(&boot.boot.to_le_bytes());
        put(&boot.time_ns.to_le_bytes());
        bytes[..8].copy_from_slice(&MAGIC);
        let checksum = checksum(&bytes, key);
        bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Parses the beginning of an entry of this size. Returns `None` if it is no header of this
    /// version, or of a file of another size. The key is not checked yet.
    pub(super) fn parse(bytes: &[u8; HEADER], size: u64) -> Option<Self> {
        if bytes[..8] != MAGIC {
            return None;
        }
        let mut at = 16;
        let mut word = || {
            let field = bytes[at..].first_chunk::<8>().copied().unwrap_or_default();
            at += 8;
            field
        };
        let mut number = || u64::from_le_bytes(word());
        let (frames_checksum, frames_length, output) = (number(), number(), number());
        let pair = number();
        let (ttl_ms, wall_ms, boot_ms, began_boot_ms) = (number(), number(), number(), number());
        let boot = u128::from(number()) | u128::from(number()) << 64;
        let time_ns = number();
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
        let (key_length, status) = (pair as u32, ((pair >> 32) as u32).cast_signed());
        let header = Self {
            status: RunStatus::from_number(status)?,
            ttl_ms,
            stored: Moment { wall_ms, boot_ms },
            began_boot_ms,
            boot: (boot != 0).then_some(BootClock { boot, time_ns }),
            bytes: output,
            key_length,
            frames_length,
            frames_checksum,
        };
        let fits = header.frames_start().checked_add(frames_length) == Some(size);
        (fits && key_length <= MAX_KEY).then_some(header)
    }

    /// Where the frames begin.
    pub(super) fn frames_start(&self) -> u64 {
        HEADER as u64 + u64::from(self.key_length)
    }
}

/// Whether a header is unchanged, and the key too.
pub(super) fn is_intact(bytes: &[u8; HEADER], key: &[u8]) -> bool {
    bytes[8..16] == checksum(bytes, key).to_le_bytes()
}

fn checksum(header: &[u8; HEADER], key: &[u8]) -> u64 {
    let mut checksum = Checksum::new();
    checksum.add(&header[16..]);
    checksum.add(key);
    checksum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_changed_bit_is_accepted() {
        let header = EntryHeader {
            status: RunStatus::Signalled(9),
            ttl_ms: 3_600_000,
            stored: Moment { wall_ms: 1 << 41, boot_ms: 77 },
            began_boot_ms: 70,
            boot: Some(BootClock { boot: 0x1234_5678_9abc_def0_0fed_cba9_8765_4321, time_ns: 5 }),
            bytes: 100,
            key_length: 3,
            frames_length: 108,
            frames_checksum: 42,
        };
        let bytes = header.encode(b"key");
        let size = HEADER as u64 + 3 + 108;
        assert_eq!(EntryHeader::parse(&bytes, size), Some(header));
        assert!(is_intact(&bytes, b"key"));
        assert!(!is_intact(&bytes, b"kez"));
        assert_eq!(EntryHeader::parse(&bytes, size - 1), None);
        assert_eq!(EntryHeader::parse(&bytes, size + 1), None);
        for bit in 0..HEADER * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            let accepted = EntryHeader::parse(&changed, size).is_some();
            assert!(!accepted || !is_intact(&changed, b"key"), "{bit}");
        }
    }

    #[test]
    fn a_frame_has_its_stream_in_the_top_bit() {
        for frame in [
            OutputFrame { stream: OutputStream::Out, length: 0 },
            OutputFrame { stream: OutputStream::Err, length: 262_144 },
            OutputFrame { stream: OutputStream::Err, length: u32::MAX >> 1 },
        ] {
            assert_eq!(OutputFrame::from_word(frame.to_word()), frame);
        }
    }
}
