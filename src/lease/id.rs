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

/// Whether a lease was begun since the system started, as far as its clock tells: it may have been set
/// since.
pub(super) fn is_of_this_boot(id: &str, now: Moment) -> bool {
    let begun = id.split('-').next().and_then(|time| u64::from_str_radix(time, 16).ok());
    let booted = now.wall_ms.saturating_sub(now.boot_ms);
    begun.is_some_and(|begun| (booted..=now.wall_ms).contains(&begun))
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
    fn a_lease_is_of_this_boot_if_it_is_neither_older_nor_of_the_future() {
        let now = Moment { wall_ms: 5_000, boot_ms: 1_000 };
        let id = |wall_ms| format!("{wall_ms:012x}-abcdefghij");
        assert!(is_of_this_boot(&id(4_000), now) && is_of_this_boot(&id(5_000), now));
        assert!(!is_of_this_boot(&id(3_999), now) && !is_of_this_boot(&id(5_001), now));
    }

    #[test]
    fn a_new_id_is_an_id_and_other_file_names_are_not() {
        let id = new_id(Moment::now(), &mut Random::system()).unwrap();
        assert!(is_id(&id), "{id}");
        for name in ["", "reaper.1.2", &id[1..], &id[..id.len() - 1], &format!("{id}.tmp")] {
            assert!(!is_id(name), "{name}");
        }
    }
}
