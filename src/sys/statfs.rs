//! The id of a filesystem.

use rustix::fs::StatFs;

/// Returns the id of a filesystem (`f_fsid`), which rustix keeps to itself. Its fstatvfs(2) has it,
/// but not the type.
pub(crate) fn filesystem_id(stat: &StatFs) -> u64 {
    let id = &stat.f_fsid;
    let mut halves = [0_u32; 2];
    if size_of_val(id) == size_of_val(&halves) {
        // SAFETY: both have this size, the source is two integers of the kernel (`__kernel_fsid_t`)
        // without padding, and every value of u32 is valid.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(id).cast::<u8>(),
                halves.as_mut_ptr().cast::<u8>(),
                size_of_val(&halves),
            );
        }
    }
    let [low, high] = halves.map(u64::from);
    low | high << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_id_that_fstatvfs_reports() {
        let dir = std::fs::File::open("/").unwrap();
        let stat = rustix::fs::fstatfs(&dir).unwrap();
        assert_eq!(filesystem_id(&stat), rustix::fs::fstatvfs(&dir).unwrap().f_fsid);
    }
}
