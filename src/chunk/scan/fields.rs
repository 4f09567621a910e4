//! The fields of CSV records.

use crate::chunk::scan::csv::FieldState;

/// Reads the fields of one record, which may end with its line end. Calls `field` with each.
pub(crate) fn for_each_field(record: &[u8], delimiter: u8, mut field: impl FnMut(&[u8])) {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let mut value = Vec::new();
    let mut rest = record;
    loop {
        // Most fields have no quotes and are passed as they are.
        let end = rest.iter().position(|&byte| byte == delimiter).unwrap_or(rest.len());
        if rest.first() != Some(&b'"') {
            field(&rest[..end]);
            match rest.get(end + 1..) {
                Some(next) => rest = next,
                None => return,
            }
            continue;
        }
        value.clear();
        let mut state = FieldState::FieldStart;
        let mut at = 0;
        let mut ended = true;
        while at < rest.len() {
            let byte = rest[at];
            let next = state.next(byte, delimiter);
            if next == FieldState::FieldStart && byte == delimiter {
                ended = false;
                break;
            }
            match (state, next) {
                // A quote that opens or closes; a second one right after it is meant.
                (FieldState::FieldStart, FieldState::Quoted)
                | (FieldState::Quoted, FieldState::AfterQuote) => {}
                _ => value.push(byte),
            }
            state = next;
            at += 1;
        }
        field(&value);
        if ended {
            return;
        }
        rest = &rest[at + 1..];
    }
}

/// Returns the fields of one record.
pub(crate) fn fields(record: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for_each_field(record, delimiter, |field| all.push(field.to_vec()));
    all
}
