//! Advice on inputs that cannot be cut.

use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;

use crate::chunk::{Encoding, Fault, InputError, Malformed, RecordFormat};
use crate::commands::errors::advice::Advice;
use crate::streams::STDIN_NAME;
use crate::ui::sh_quote::quote;

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    let hint = match cause.downcast_ref()? {
        InputError::Malformed { name, what, .. } => on_malformed(name, what)?,
        InputError::Encoded { name, encoding, format } => on_encoded(name, *encoding, *format),
        InputError::UnknownFormat { .. } => {
            "name it: --format csv, tsv, ndjson, json or lines".to_owned()
        }
        InputError::HeadersDiffer { .. } => {
            "--to ndjson makes each record an object by its own header".to_owned()
        }
        InputError::FormatsDiffer { .. } => {
            "--to ndjson or --to json gives them one format".to_owned()
        }
        InputError::Changed { .. } => return None,
    };
    Some(Advice::hint(hint))
}

fn on_malformed(name: &Path, what: &Malformed) -> Option<String> {
    match &what.fault {
        Fault::LoneReturns => Some(pipe("tr '\\r' '\\n'", " <", name, "csv")),
        Fault::NotAnArray { found: "an object" } => {
            Some(pipe("jq -c '.results[]'", " ", name, "ndjson"))
        }
        Fault::NotUtf8 => Some(pipe("iconv -f LATIN1 -t UTF-8", " ", name, "csv")),
        _ => None,
    }
}

fn on_encoded(name: &Path, encoding: Encoding, format: Option<RecordFormat>) -> String {
    let format = format.map_or("csv", RecordFormat::name);
    let unpack = match encoding {
        Encoding::Gzip => "gzip -dc",
        Encoding::Zstd => "zstd -dc",
        Encoding::Xz => "xz -dc",
        Encoding::Bzip2 => "bzip2 -dc",
        Encoding::Utf16 => "iconv -f UTF-16 -t UTF-8",
        Encoding::Utf16Le => "iconv -f UTF-16LE -t UTF-8",
        Encoding::Utf16Be => "iconv -f UTF-16BE -t UTF-8",
        Encoding::Parquet => {
            let name = if name == Path::new(STDIN_NAME) { Path::new("FILE") } else { name };
            let is_plain = quote(name.as_os_str()) == name;
            let name = name.to_string_lossy().replace('\'', "''");
            let query = format!("FROM '{name}'");
            // Double quotes read better, but the shell reads them too.
            let query = if is_plain { format!("\"{query}\"") } else { quoted(&query) };
            return format!("duckdb -csv -c {query} | tmpx chunk --format csv …");
        }
    };
    pipe(unpack, " ", name, format)
}

/// Words a pipe through a command that reads the input, or what already comes from a pipe.
fn pipe(command: &str, before_name: &str, name: &Path, format: &str) -> String {
    if name == Path::new(STDIN_NAME) {
        return format!("… | {command} | tmpx chunk --format {format} …");
    }
    let name = quoted(name);
    format!("{command}{before_name}{name} | tmpx chunk --format {format} …")
}

fn quoted(word: impl AsRef<OsStr>) -> String {
    quote(word.as_ref()).to_string_lossy().into_owned()
}
