//! Advice on inputs that cannot be cut.

use std::error::Error;
use std::path::Path;

use crate::chunk::{Encoding, Fault, InputError, Malformed, RecordFormat};
use crate::commands::errors::advice::Advice;

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
    let name = name.display();
    match &what.fault {
        Fault::LoneReturns => Some(format!("tr '\\r' '\\n' <{name} | tmpx chunk --format csv …")),
        Fault::NotAnArray { found: "an object" } => {
            Some(format!("jq -c '.results[]' {name} | tmpx chunk --format ndjson …"))
        }
        Fault::NotUtf8 => {
            Some(format!("iconv -f LATIN1 -t UTF-8 {name} | tmpx chunk --format csv …"))
        }
        _ => None,
    }
}

fn on_encoded(name: &Path, encoding: Encoding, format: Option<RecordFormat>) -> String {
    let format = match encoding {
        Encoding::Parquet => "csv",
        _ => format.map_or("csv", RecordFormat::name),
    };
    let name = name.display();
    let unpack = match encoding {
        Encoding::Gzip => format!("gzip -dc {name}"),
        Encoding::Zstd => format!("zstd -dc {name}"),
        Encoding::Xz => format!("xz -dc {name}"),
        Encoding::Bzip2 => format!("bzip2 -dc {name}"),
        Encoding::Utf16 => format!("iconv -f UTF-16 -t UTF-8 {name}"),
        Encoding::Parquet => format!("duckdb -csv -c \"FROM '{name}'\""),
    };
    format!("{unpack} | tmpx chunk --format {format} …")
}
