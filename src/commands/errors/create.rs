//! Advice on the creation of resources.

use std::error::Error;

use crate::commands::errors::advice::Advice;
use crate::create::TempDirError;

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    cause
        .downcast_ref::<TempDirError>()
        .map(|_| Advice::hint("'tmpx gettempdir --all' shows every candidate"))
}
