//! Turns records into JSON: an object for each record of CSV, its values strings.

use std::rc::Rc;

use crate::chunk::plan::part::Origin;
use crate::chunk::scan::csv::FieldState;
use crate::chunk::scan::error::{Fault, Malformed};
use crate::chunk::scan::fields::for_each_field;
use crate::chunk::scan::format::RecordFormat;

/// What records become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonForm {
    /// One value a line.
    Lines,
    /// One array.
    Array,
}

impl JsonForm {
    /// The format that it is.
    pub(crate) fn format(self) -> RecordFormat {
        match self {
            Self::Lines => RecordFormat::Ndjson,
            Self::Array => RecordFormat::Json,
        }
    }
}

/// Converts the records of one chunk.
#[derive(Debug)]
pub(crate) struct Converter {
    form: JsonForm,
    /// The input that the records come from, and its columns as JSON keys.
    origin: Option<(Rc<Origin>, Vec<Vec<u8>>)>,
    /// The beginning of a record of which the end is still to come.
    pending: Vec<u8>,
    state: FieldState,
    /// Where the pending record begins in the input.
    at: u64,
    json: JsonState,
    any: bool,
}

/// Where in the elements of an array the next byte lies.
#[derive(Clone, Copy, Debug, Default)]
struct JsonState {
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// Whether the element has begun.
    begun: bool,
}

impl Converter {
    /// Begins a chunk.
    pub(crate) fn new(form: JsonForm, out: &mut Vec<u8>) -> Self {
        if form == JsonForm::Array {
            out.push(b'[');
        }
        Self {
            form,
            origin: None,
            pending: Vec::new(),
            state: FieldState::FieldStart,
            at: 0,
            json: JsonState::default(),
            any: false,
        }
    }

    /// Begins a part of an input, which is at this offset.
    pub(crate) fn begin_part(&mut self, origin: &Rc<Origin>, at: u64) {
        let is_same = self.origin.as_ref().is_some_and(|(other, _)| Rc::ptr_eq(other, origin));
        if !is_same {
            let key = |name: &Vec<u8>| {
                let mut key = Vec::new();
                // Column names have been checked to be UTF-8.
                let _ = push_string(&mut key, name, at);
                key.push(b':');
                key
            };
            let keys = origin.columns.iter().map(key).collect();
            self.origin = Some((Rc::clone(origin), keys));
        }
        self.at = at;
        self.state = FieldState::FieldStart;
        self.json = JsonState::default();
    }

    /// Converts the next bytes of a part.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.origin.as_ref().map(|(origin, _)| origin.format) {
            Some(RecordFormat::Csv | RecordFormat::Tsv) => self.push_csv(bytes, out),
            Some(RecordFormat::Json) => {
                self.push_json(bytes, out);
                Ok(())
            }
            _ => {
                self.push_lines(bytes, out);
                Ok(())
            }
        }
    }

    /// Ends a part.
    pub(crate) fn end_part(&mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.origin.as_ref().map(|(origin, _)| origin.format) {
            Some(RecordFormat::Csv | RecordFormat::Tsv) => {
                let record = std::mem::take(&mut self.pending);
                self.csv_record(&record, out)
            }
            Some(RecordFormat::Json) => {
                self.end_element(out);
                Ok(())
            }
            _ => {
                let line = std::mem::take(&mut self.pending);
                self.line(&line, out);
                Ok(())
            }
        }
    }

    /// Ends the chunk.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) {
        if self.form == JsonForm::Array {
            out.extend_from_slice(b"]\n");
        }
    }

    /// Begins a record.
    fn separate(&mut self, out: &mut Vec<u8>) {
        if self.any && self.form == JsonForm::Array {
            out.extend_from_slice(b",\n");
        }
        self.any = true;
    }

    /// Ends a record.
    fn terminate(&self, out: &mut Vec<u8>) {
        if self.form == JsonForm::Lines {
            out.push(b'\n');
        }
    }

    fn push_csv(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let delimiter = self.origin.as_ref().map_or(b',', |(origin, _)| origin.delimiter);
        let mut start = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            let was_quoted = self.state == FieldState::Quoted;
            self.state = self.state.next(byte, delimiter);
            if byte != b'\n' || was_quoted {
                continue;
            }
            let end = index + 1;
            if self.pending.is_empty() {
                self.csv_record(&bytes[start..end], out)?;
            } else {
                let mut record = std::mem::take(&mut self.pending);
                record.extend_from_slice(&bytes[start..end]);
                self.csv_record(&record, out)?;
                record.clear();
                self.pending = record;
            }
            start = end;
        }
        self.pending.extend_from_slice(&bytes[start..]);
        Ok(())
    }

    fn csv_record(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let at = self.at;
        self.at += record.len() as u64;
        if record.is_empty() || record == b"\n" || record == b"\r\n" {
            return Ok(());
        }
        self.separate(out);
        let Some((origin, keys)) = &self.origin else { return Ok(()) };
        out.push(b'{');
        let mut count = 0;
        let mut result = Ok(());
        for_each_field(record, origin.delimiter, |field| {
            if count > 0 {
                out.push(b',');
            }
            match keys.get(count) {
                Some(key) => out.extend_from_slice(key),
                // A field beyond the header is named by its position, as Miller does it.
                None => out.extend_from_slice(format!("\"{}\":", count + 1).as_bytes()),
            }
            count += 1;
            if result.is_ok() {
                result = push_string(out, field, at);
            }
        });
        for key in keys.iter().skip(count) {
            out.push(b',');
            out.extend_from_slice(key);
            out.extend_from_slice(b"null");
        }
        out.push(b'}');
        self.terminate(out);
        result
    }

    fn push_lines(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let mut line = std::mem::take(&mut self.pending);
            line.extend_from_slice(&rest[..end]);
            self.line(&line, out);
            line.clear();
            self.pending = line;
            rest = &rest[end + 1..];
        }
        self.pending.extend_from_slice(rest);
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let line = line.trim_ascii();
        if !line.is_empty() {
            self.separate(out);
            out.extend_from_slice(line);
            self.terminate(out);
        }
    }

    /// Passes elements on, without the whitespace between them and without line ends in them.
    fn push_json(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            let JsonState { depth, in_string, escaped, begun } = self.json;
            if in_string {
                self.json.escaped = byte == b'\\' && !escaped;
                self.json.in_string = byte != b'"' || escaped;
                out.push(byte);
                continue;
            }
            match byte {
                b',' if depth == 0 => {
                    self.end_element(out);
                    continue;
                }
                b' ' | b'\t' if begun => {}
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                b'"' => self.json.in_string = true,
                b'[' | b'{' => self.json.depth += 1,
                b']' | b'}' => self.json.depth = depth.saturating_sub(1),
                _ => {}
            }
            if !begun {
                self.separate(out);
                self.json.begun = true;
            }
            out.push(byte);
        }
    }

    fn end_element(&mut self, out: &mut Vec<u8>) {
        if self.json.begun {
            self.terminate(out);
        }
        self.json = JsonState::default();
    }
}

/// Adds a JSON string. `at` is where its record begins.
fn push_string(out: &mut Vec<u8>, bytes: &[u8], at: u64) -> Result<(), Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8.at(at))?;
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
    Ok(())
}
