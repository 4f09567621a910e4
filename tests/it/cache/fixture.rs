//! What the tests of the cache share.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::sandbox::{Ran, Run, Sandbox, names};

/// The size of the header of an entry.
pub(super) const HEADER: usize = 128;

/// Where numbers are in the header.
pub(super) const STORED_WALL: usize = 56;
pub(super) const STORED_BOOT: usize = 64;
pub(super) const BOOT_ID: usize = 80;

/// A command that counts its runs in the file `runs`, and prints how many there have been.
pub(super) const COUNT: &str = "echo x >> runs; echo run $(wc -l < runs)";

/// The directory of the store.
pub(super) fn store(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".cache/tmpx")
}

/// The names of the files in the store but for the lock file.
pub(super) fn files(sandbox: &Sandbox) -> Vec<String> {
    let mut files = names(&store(sandbox));
    files.retain(|name| name != "lock");
    files
}

/// The path of the only entry.
pub(super) fn entry(sandbox: &Sandbox) -> PathBuf {
    let files = files(sandbox);
    assert_eq!(files.len(), 1, "{files:?}");
    store(sandbox).join(&files[0])
}

/// How often the command has run that counts its runs.
pub(super) fn runs(sandbox: &Sandbox) -> usize {
    fs::read_to_string(sandbox.cwd().join("runs")).map_or(0, |runs| runs.lines().count())
}

/// Prepares a run of the command that counts its runs, with options.
pub(super) fn count<'a>(sandbox: &'a Sandbox, options: &str) -> Run<'a> {
    let options = options.split_whitespace();
    sandbox.tmpx(["cache", "run"].into_iter().chain(options).chain(["--", "sh", "-c", COUNT]))
}

/// Runs it and returns the report.
pub(super) fn report(sandbox: &Sandbox, options: &str) -> serde_json::Value {
    count(sandbox, &format!("--report report {options}")).run();
    read_report(sandbox)
}

/// Reads the report, and removes it.
pub(super) fn read_report(sandbox: &Sandbox) -> serde_json::Value {
    let path = sandbox.cwd().join("report");
    let report = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    serde_json::from_str(&report).unwrap()
}

/// Returns a number in the header of an entry.
pub(super) fn number(entry: &Path, at: usize) -> u64 {
    u64::from_le_bytes(*fs::read(entry).unwrap()[at..].first_chunk().unwrap())
}

/// Changes an entry's header, and makes its checksum right again.
pub(super) fn edit(entry: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(entry).unwrap();
    change(&mut bytes);
    let key_length = u32::from_le_bytes(*bytes[40..].first_chunk().unwrap());
    let key_end = HEADER + usize::try_from(key_length).unwrap();
    let checksum = checksum(&bytes[16..key_end]);
    bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
    fs::write(entry, bytes).unwrap();
}

/// Makes an entry older by this time. If this boot has not lasted so long, the entry is from another one,
/// and its age that of the wall clock.
pub(super) fn age(entry: &Path, milliseconds: u64) {
    edit(entry, |bytes| {
        let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        let (wall, boot) = (number(STORED_WALL), number(STORED_BOOT));
        bytes[STORED_WALL..][..8].copy_from_slice(&(wall - milliseconds).to_le_bytes());
        if let Some(boot) = boot.checked_sub(milliseconds) {
            bytes[STORED_BOOT..][..8].copy_from_slice(&boot.to_le_bytes());
        } else {
            bytes[BOOT_ID..][..8].fill(0xee);
        }
    });
}

/// The checksum of an entry, written a second time: what it computes must not change by accident.
fn checksum(bytes: &[u8]) -> u64 {
    const SALT: [u64; 4] = [
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7345,
        0xa409_3822_299f_31d1,
        0x082e_fa98_ec4e_6c89,
    ];
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        u64::try_from(product & u128::from(u64::MAX)).unwrap()
            ^ u64::try_from(product >> 64).unwrap()
    };
    let mut padded = bytes.to_vec();
    // A last step follows even if nothing is left for it.
    padded.resize((bytes.len() / 64 + 1) * 64, 0);
    let mut lanes = SALT;
    for stripe in padded.chunks(64) {
        for (n, lane) in lanes.iter_mut().enumerate() {
            let word = |at: usize| u64::from_le_bytes(*stripe[at..].first_chunk().unwrap());
            let (a, b) = (word(16 * n), word(16 * n + 8));
            *lane = fold(a ^ SALT[n], b ^ *lane) ^ lane.rotate_left(23);
        }
    }
    let [a, b, c, d] = lanes;
    let length = u64::try_from(bytes.len()).unwrap() ^ SALT[0];
    fold(fold(a ^ SALT[1], b ^ length) ^ c, fold(c ^ SALT[2], d ^ length) ^ a)
}

/// A byte of a key in the lock file.
#[derive(Clone, Copy)]
pub(super) enum KeyByte {
    Waiting = 1,
    Replacing = 2,
}

/// A locked byte of the key of an entry, as another process holds it.
pub(super) struct HeldByte(Child);

impl HeldByte {
    /// Locks it. This needs Python.
    pub(super) fn of(entry: &Path, byte: KeyByte) -> Self {
        let hash = u64::from_str_radix(entry.file_name().unwrap().to_str().unwrap(), 16).unwrap();
        let offset = 4096 + (hash >> 4 << 2) + byte as u64;
        let program = "import fcntl, sys\nfile = open(sys.argv[1], 'r+b')\n\
            fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))\nprint(flush=True)\nsys.stdin.read()";
        let mut command = Command::new("python3");
        command.args(["-c", program]).arg(entry.with_file_name("lock")).arg(offset.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "\n", "it is locked");
        Self(child)
    }
}

impl Drop for HeldByte {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Checks that a run printed this, with an empty stderr.
#[track_caller]
pub(super) fn printed(ran: &Ran, stdout: &str) {
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (Some(0), stdout, ""), "{ran:?}");
}
