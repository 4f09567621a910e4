//! The examples compute what a single program computes that has all records at once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::sandbox::{Sandbox, has, skip_unless};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// Writes rows of which each fourth has an author of its own; other authors are in many rows.
const ROWS: &str = r#"
import csv, sys
out = csv.writer(sys.stdout)
out.writerow(["title", "conference", "year", "authors", "keywords"])
for n in range(int(sys.argv[1])):
    own = f"Own {n}" if n % 4 == 0 else ""
    out.writerow([f"On\n\"{n}\"", ["ECC", "IDW", "été"][n * n % 3], 2000 + n % 25,
        f"A {n % 97}; B {n % 1009};{own}", f"Kw{n % 31},kw{n % 7}, " + "x" * (n % 3)])
"#;

/// Counts in one pass over all rows.
const ORACLE: &str = r#"
import collections, csv, json, sys
conferences, years, keywords, authors, records = *(collections.Counter() for _ in range(3)), set(), 0
for row in csv.DictReader(open("rows.csv", newline="")):
    records += 1
    conferences[row["conference"]] += 1
    years[row["year"]] += 1
    authors |= {name.strip() for name in row["authors"].split(";")} - {""}
    keywords.update(word.strip().lower() for word in row["keywords"].split(",") if word.strip())
expected = {"records": records, "authors": len(authors), "conferences": conferences, "years": years,
            "keywords": keywords}
found = json.load(open("stats.json"))
assert all(found[key] == value for key, value in expected.items()), (found, expected)
for name, counts, most in ("conferences", conferences, 10), ("keywords", keywords, 20):
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    assert found["top_" + name] == [list(item) for item in ordered], found
rows_a_chunk = records // 6
assert found["chunks"] == -(-records // rows_a_chunk), found
print("equal", len(authors))
"#;

/// The same in SQL.
const DUCKDB: &str = r#"
import duckdb, json, sys
found = json.load(open("stats.json"))
table = "read_csv('rows.csv', header=true, all_varchar=true, quote='\"', parallel=false)"
def counts(query): return dict(duckdb.sql(query).fetchall())
def split(column, mark): return f"(SELECT trim(unnest(string_split({column}, '{mark}'))) AS x FROM {table})"
assert found["records"] == duckdb.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]
names = f"SELECT count(DISTINCT x) FROM {split('authors', ';')} WHERE x <> ''"
assert found["authors"] == duckdb.sql(names).fetchall()[0][0]
for column in "conference", "year":
    assert found[column + "s"] == counts(f"SELECT {column}, count(*) FROM {table} GROUP BY ALL")
words = f"SELECT lower(x) AS word, count(*) FROM {split('keywords', ',')} WHERE x <> '' GROUP BY ALL"
assert found["keywords"] == counts(words)
print("equal to the counts of DuckDB", duckdb.__version__, file=sys.stderr)
"#;

/// Writes three inputs.
const INPUTS: &str = r#"
import csv, json
def rows(start, count):
    return [{"conference": f"été {n}", "title": f"a,\n\"{n}\""} for n in range(start, start + count)]
def write(name, all):
    with open(name, "w", newline="") as out:
        writer = csv.DictWriter(out, ["conference", "title"])
        writer.writeheader()
        writer.writerows(all)
write("1.csv", rows(0, 70))
json.dump(rows(70, 45) + [{"year": 2024, "more": [1, {"a": None}]}], open("2.json", "w"), indent=1)
write("3.csv", rows(115, 5))
"#;

/// Compares the array with what one program makes of the inputs.
const CHECK: &str = r#"
import csv, datetime, json
expected = []
for name in "1.csv", "2.json", "3.csv":
    with open(name, newline="") as file:
        expected += json.load(file) if name.endswith("json") else list(csv.DictReader(file))
for record in expected:
    if "conference" in record:
        record["conference"] = record["conference"].upper()
found = json.load(open("all.json"))
for record in found:
    datetime.datetime.fromisoformat(record.pop("processed_at"))
assert found == expected, (found, expected)
"#;

/// Returns the Python in PATH that has `DuckDB`. A gate that takes its time must have it.
fn python_with_duckdb() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let python =
        std::env::split_paths(&path).map(|dir| dir.join("python3")).find(|file| file.is_file());
    let imports = |python: &PathBuf| {
        let run = Command::new(python).args(["-c", "import duckdb"]).output();
        run.is_ok_and(|output| output.status.success())
    };
    let python = python.filter(imports);
    if std::env::var_os("TMPX_STRESS").is_some() {
        skip_unless(python.is_some(), "DuckDB for Python");
    }
    python
}

fn statistics_of(rows: u64, authors: u64) {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    for (name, text) in [("rows.py", ROWS), ("oracle.py", ORACLE), ("sql.py", DUCKDB)] {
        fs::write(sandbox.root().join(name), text).unwrap();
    }
    let sql = python_with_duckdb();
    let sql = sql.map_or(String::new(), |python| format!("{} ../sql.py", python.display()));
    let script = format!(
        "export PYTHONUTF8=1; python3 ../rows.py {rows} > rows.csv; \
        sh {EXAMPLES}/conference-stats.sh rows.csv --rows {} > stats.json; \
        python3 ../oracle.py; {sql}",
        rows / 6
    );
    // This may take longer than the sandbox lets a command run.
    let output = sandbox.shell("sh -e", &script).prepared().output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!((output.status.code(), stdout), (Some(0), format!("equal {authors}\n")), "{stderr}");
    assert!(!stderr.contains("hint"), "{stderr}");
    println!("{rows} rows: {stderr}");
    sandbox.clean_up();
}

#[test]
fn statistics_of_chunks_are_those_of_the_whole() {
    statistics_of(6_000, 1_500 + 97 + 1_009);
}

#[test]
fn statistics_of_five_million_rows_are_those_of_the_whole() {
    if std::env::var_os("TMPX_STRESS").is_some() {
        statistics_of(5_000_000, 1_250_000 + 97 + 1_009);
    }
}

#[test]
fn statistics_of_a_file_that_cannot_be_cut_fail() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = format!("printf 'a,\"b\n1\n' > in.csv; sh {EXAMPLES}/conference-stats.sh in.csv");
    let message = "tmpx: in.csv: line 1, byte 3: this quote is never closed\n";
    sandbox.sh(&script).expects(125, "", message);
    sandbox.clean_up();
}

#[test]
fn batches_of_csv_and_json_become_one_array() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.root().join("inputs.py"), INPUTS).unwrap();
    fs::write(sandbox.root().join("check.py"), CHECK).unwrap();
    let script = format!(
        "export PYTHONUTF8=1; python3 ../inputs.py; \
        sh {EXAMPLES}/batch.sh all.json 1.csv 2.json 3.csv; \
        python3 ../check.py; echo '[1, 2' > 2.json; cp all.json old; \
        sh {EXAMPLES}/batch.sh all.json 1.csv 2.json || echo $?; cmp all.json old"
    );
    let message = "tmpx: 2.json: line 2, byte 7: the array is cut off\n";
    let ran = sandbox.shell("sh -e", &script).run();
    assert_eq!(ran.stdout, "121 records in 3 batches\n125\n", "{ran:?}");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), message));
    sandbox.clean_up();
}
