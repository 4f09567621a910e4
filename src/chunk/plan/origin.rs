//! Checks that inputs can be joined, and holds what has to be known of each.

use std::collections::HashSet;
use std::rc::Rc;

use crate::chunk::plan::input::RecordInput;
use crate::chunk::plan::part::Origin;
use crate::chunk::scan::error::{Fault, InputError};
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::header::Head;

/// The fields of each record of a header.
pub(crate) type HeaderFields = Vec<Vec<Vec<u8>>>;

/// The inputs so far.
#[derive(Debug)]
pub(crate) struct Origins {
    /// Whether records become objects, so that inputs may differ.
    converts: bool,
    first: Option<(Rc<Origin>, HeaderFields)>,
}

impl Origins {
    /// No input yet.
    pub(crate) fn new(converts: bool) -> Self {
        Self { converts, first: None }
    }

    /// The first input that is not empty. Its header precedes the records of each chunk.
    pub(crate) fn first(&self) -> Option<&Rc<Origin>> {
        self.first.as_ref().map(|(origin, _)| origin)
    }

    /// Adds an input, of which these are the first bytes.
    pub(crate) fn add(
        &mut self,
        input: &RecordInput,
        head: &Head,
        bytes: &[u8],
    ) -> anyhow::Result<Rc<Origin>> {
        let format = input.dialect.format;
        let header = bytes[head.header.clone()].to_vec();
        let records = if format.has_fields() { head.fields(&header) } else { Vec::new() };
        let columns = if self.converts && format.has_fields() {
            columns(input, head, &records)?
        } else {
            Vec::new()
        };
        let lead = match format {
            RecordFormat::Json if head.body > head.header.end => {
                bytes[head.header.end..head.body - 1].to_vec()
            }
            _ => Vec::new(),
        };
        let name = input.name.clone();
        let is_empty = bytes.len() == head.header.start;
        let delimiter = head.delimiter;
        let origin = Origin { name, format, delimiter, header, columns, lead, is_empty };
        let origin = Rc::new(origin);
        match &self.first {
            None if !is_empty => self.first = Some((Rc::clone(&origin), records)),
            Some((first, first_records)) if !self.converts && !is_empty => {
                let is_equal = if format.has_fields() {
                    *first_records == records && first.delimiter == origin.delimiter
                } else {
                    trimmed(&first.header) == trimmed(&origin.header)
                };
                let has_header = input.dialect.header_rows > 0;
                if has_header && !is_equal {
                    let [first, second] = [&first.name, &origin.name].map(Clone::clone);
                    return Err(InputError::HeadersDiffer { first, second }.into());
                }
            }
            _ => {}
        }
        Ok(origin)
    }
}

fn trimmed(header: &[u8]) -> &[u8] {
    header.trim_ascii_end()
}

/// The names of columns: the fields of the last header record.
fn columns(
    input: &RecordInput,
    head: &Head,
    records: &[Vec<Vec<u8>>],
) -> anyhow::Result<Vec<Vec<u8>>> {
    let names = records.last().cloned().unwrap_or_default();
    let at = head.header.start as u64;
    let mut seen = HashSet::new();
    for name in &names {
        let Ok(text) = std::str::from_utf8(name) else {
            return Err(input.malformed(Fault::NotUtf8.at(at)));
        };
        if !seen.insert(name) {
            let name = text.to_owned();
            return Err(input.malformed(Fault::DuplicateColumn { name }.at(at)));
        }
    }
    Ok(names)
}
