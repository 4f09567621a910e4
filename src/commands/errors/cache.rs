//! Advice on the cache's directory.

use std::error::Error;

use crate::cache::CacheError;
use crate::commands::errors::advice::Advice;
use crate::fs::PrivateDirError;

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    let hint = match cause.downcast_ref()? {
        CacheError::NotAbsolute(_) => "use the full path, as in TMPX_CACHE_DIR=$PWD/cache",
        CacheError::NoHome => "set TMPX_CACHE_DIR to a directory of its own",
        CacheError::NotLocal(_) => "set TMPX_CACHE_DIR to a directory on a local disk",
        CacheError::Dir {
            source: PrivateDirError::Foreign | PrivateDirError::OpenToOthers,
            ..
        } => "set TMPX_CACHE_DIR to a directory of its own, which only you can write to",
        CacheError::UntrustedFile { .. } => {
            "remove the directory, or set TMPX_CACHE_DIR to another one"
        }
        CacheError::Dir { .. } => "set TMPX_CACHE_DIR to a directory that you can write to",
        CacheError::Io { .. } => return None,
    };
    Some(Advice::hint(hint))
}
