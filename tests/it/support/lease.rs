//! Changes leases, and makes their checksums right again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The value of `given` of a lease that is not committed.
pub(crate) const NOT_GIVEN: &str = "................";

/// Where the value of `given` is.
pub(crate) const GIVEN: std::ops::Range<usize> = 16..32;

/// Changes the text of a lease file.
pub(crate) fn edit(path: impl AsRef<Path>, change: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, seal(&change(&text))).unwrap();
}

/// Gives each line the right checksum, and `given` the right length if the lease is committed.
pub(crate) fn seal(text: &str) -> String {
    let is_committed = &text[GIVEN] != NOT_GIVEN;
    let (mut sealed, mut checksum) = (String::new(), 0);
    for (n, line) in text.lines().enumerate() {
        let mut body = match line.rfind(",\"c\":\"") {
            Some(at) => line[..at].to_owned(),
            None => line.strip_suffix('}').unwrap().to_owned(),
        };
        if n == 0 {
            body.replace_range(GIVEN, NOT_GIVEN);
        }
        let mut hasher = crc32fast::Hasher::new_with_initial(checksum);
        hasher.update(body.as_bytes());
        checksum = hasher.finalize();
        writeln!(sealed, "{body},\"c\":\"{checksum:08x}\"}}").unwrap();
    }
    if is_committed {
        let given = format!("{:08x}{checksum:08x}", sealed.len());
        sealed.replace_range(GIVEN, &given);
    }
    sealed
}
