//! The name of a lease: the time in 12 hexadecimal digits, a hyphen and random characters.
//!
//! Sorting names sorts leases by age.

use std::io;

use crate::os::random::NAME_LENGTH;
use crate::os::{Moment, Random};

/// Returns a new name for a lease that begins `now`.
pub(super) fn new_id(now: Moment, random: &mut Random) -> io::Result<String> {
    let mut id = format!("{:012x}-", now.wall_ms & 0xffff_ffff_ffff).into_bytes();
    random.push_name(&mut id, NAME_LENGTH)?;
    // All bytes are ASCII.
    Ok(String::from_utf8_lossy(&id).into_owned())
}

/// Whether a file name is that of a lease.
pub(crate) fn is_id(name: &str) -> bool {
    match name.split_once('-') {
        Some((time, random)) => {
            time.len() == 12
                && time.bytes().all(|byte| byte.is_ascii_hexdigit())
                && random.len() == NAME_LENGTH
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_an_id_and_other_file_names_are_not() {
        let id = new_id(Moment::now(), &mut Random::system()).unwrap();
        assert!(is_id(&id), "{id}");
        for name in ["", "reaper.1.2", &id[1..], &id[..id.len() - 1], &format!("{id}.tmp")] {
            assert!(!is_id(name), "{name}");
        }
    }
}
