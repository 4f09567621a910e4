//! The man pages and the README name every field of the JSON objects that tmpx prints.

use std::collections::BTreeSet;

use serde_json::Value;

use super::files::built;
use super::man::pages;
use crate::support::sandbox::Sandbox;

const README: &str = include_str!("../../../../README.md");

/// The types of the objects, with their fields.
const TYPES: &str = include_str!("../../../../src/ui/json.rs");

/// For each man page, the first words of its row in the README, and a script that prints all fields
/// that its objects can have.
const CASES: [(&str, &str, &str); 13] = [
    ("tmpx-file", "file, dir, workspace, chunk (its files)", "tmpx file --json --session s"),
    ("tmpx-dir", "file, dir, workspace, chunk (its files)", "tmpx dir --json --session s"),
    (
        "tmpx-workspace",
        "file, dir, workspace, chunk (its files)",
        "tmpx workspace --json --session s",
    ),
    ("tmpx-list", "list", "tmpx file --until-exit=$$ >path; tmpx list --json"),
    (
        "tmpx-cleanup",
        "cleanup",
        "tmpx dir >path; tmpx file --until-exit=$$ >path; tmpx cleanup --all --json 2>/dev/null",
    ),
    ("tmpx-gettempdir", "gettempdir", "TMPDIR=/nonexistent tmpx gettempdir --all --json"),
    ("tmpx-exec", "exec `--report FILE`", "tmpx exec --report r --out a -- touch a; cat r"),
    (
        "tmpx-spool",
        "spool `--report FILE`",
        "echo text | tmpx spool --max-size 1 --report r -- cat >text; cat r",
    ),
    ("tmpx-replace", "replace `--report FILE`", "tmpx replace --report r a -- echo text; cat r"),
    (
        "tmpx-chunk",
        "chunk `--report FILE`",
        "echo text | tmpx chunk --format lines --report r -- false 2>/dev/null; cat r",
    ),
    (
        "tmpx-chunk",
        "file, dir, workspace, chunk (its files)",
        "seq 2 | tmpx chunk --format lines --rows 1 --json --session s",
    ),
    (
        "tmpx-cache-run",
        "cache run `--report FILE`",
        "export TMPX_CACHE_DIR=$PWD/c; tmpx cache run --report r -- true; cat r; \
         export TMPX_CACHE_DIR=/dev/null/c; tmpx cache run --report r -- true 2>/dev/null; cat r",
    ),
    (
        "tmpx-cache-list",
        "cache list",
        "export TMPX_CACHE_DIR=$PWD/c; tmpx cache run -- true; tmpx cache list --json",
    ),
];

/// Adds the keys of an object, and of the objects in it.
fn add_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                keys.insert(key.clone());
                add_keys(value, keys);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| add_keys(value, keys)),
        _ => {}
    }
}

/// Returns whether a text has this word.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|other| other == word)
}

/// Returns the names of the fields in the sources of the types.
fn declared_fields() -> BTreeSet<&'static str> {
    let mut fields = BTreeSet::new();
    let mut lines = TYPES.lines();
    while let Some(line) = lines.next() {
        if !line.contains("struct ") {
            continue;
        }
        let mut is_flat = false;
        for line in lines.by_ref().map(str::trim).take_while(|line| *line != "}") {
            let field = line.trim_start_matches("pub(crate) ").split_once(": ");
            if let Some((name, _)) = field.filter(|_| line.ends_with(',') && !is_flat) {
                fields.insert(name);
            }
            is_flat = line == "#[serde(flatten)]";
        }
    }
    fields
}

#[test]
fn every_json_field_is_a_word_of_its_man_page_and_of_the_readme() {
    let pages = pages(&built());
    let mut seen = BTreeSet::new();
    for (title, row, script) in CASES {
        let sandbox = Sandbox::new();
        let mut keys = BTreeSet::new();
        for object in sandbox.sh(script).run().json() {
            add_keys(&object, &mut keys);
        }
        assert!(keys.len() > 2, "{title} prints {keys:?}");
        let page = &pages[&format!("{title}.1")];
        let (_, section) = page.split_once("\n.SH JSON\n").expect(title);
        let (section, _) = section.split_once("\n.SH ").unwrap();
        let row = format!("| {row} | ");
        let row = README.lines().find(|line| line.starts_with(&row)).expect(&row);
        // The README says of a row that it has the fields of another one.
        let row = if title == "tmpx-list" {
            row.replace("those", "path kind lease lifetime session")
        } else {
            row.to_owned()
        };
        for key in &keys {
            assert!(has_word(section, key), "{title}(1) does not name {key}");
            assert!(has_word(&row, key), "the README does not name {key} of {title}");
        }
        seen.append(&mut keys);
        sandbox.clean_up();
    }
    let unseen: Vec<_> =
        declared_fields().into_iter().filter(|field| !seen.contains(*field)).collect();
    assert_eq!(unseen, [""; 0], "no script prints these fields");
    assert!(declared_fields().len() > 30);
}
