//! The documents: every link leads somewhere, and every block can be pasted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::sandbox::Sandbox;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the paths of the documents in the repository.
fn documents() -> Vec<PathBuf> {
    let in_dir = |dir: &str| {
        let entries = fs::read_dir(root().join(dir)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let mut paths = [in_dir("."), in_dir("docs"), in_dir("benches")].concat();
    paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
    assert!(paths.len() > 8, "{paths:?}");
    paths
}

/// Returns a document without its fenced blocks.
fn prose(text: &str) -> String {
    let mut is_block = false;
    let outside = |line: &&str| {
        is_block ^= line.starts_with("```");
        !is_block
    };
    text.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

/// Returns the anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// Returns where the links lead: `](here)`.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1);
    parts.filter_map(|part| Some(part.split_once(')')?.0.replace('\n', ""))).collect()
}

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for link in links(&prose(&text)) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let headings = anchors(&fs::read_to_string(&target).unwrap());
                assert!(
                    headings.iter().any(|heading| heading == anchor),
                    "{}: {link}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_command_in_a_block_has_a_comment_which_zsh_takes_for_arguments() {
    for path in documents() {
        // Whoever works on tmpx reads these lines one by one.
        if path.ends_with("CONTRIBUTING.md") {
            continue;
        }
        // The scripts in from-mktemp.md are there to be replaced.
        let text = fs::read_to_string(&path).unwrap();
        let mut tag = "";
        for line in text.lines() {
            if let Some(word) = line.strip_prefix("```") {
                tag = if tag.is_empty() { word.split(' ').next().unwrap() } else { "" };
            } else if tag == "console" || tag == "sh" && !path.ends_with("from-mktemp.md") {
                assert!(!line.contains(" # "), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_table_of_what_is_promised_where_is_the_same_in_both_documents() {
    let table = |path: &str| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let from = text.find("| where, or what happened |").unwrap();
        let rows: Vec<_> = text[from..].lines().take_while(|line| line.starts_with('|')).collect();
        rows.join("\n")
    };
    assert_eq!(table("README.md"), table("docs/SECURITY.md"));
}

/// What tmpx cannot know of a file or directory that users move, remove or rewrite is said where they look.
#[test]
fn every_place_that_describes_lifetimes_says_what_users_must_not_expect_of_what_they_replace() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let page = |path: &str| read(path).replace("\\-", "-").replace("\\(dq", "\"").replace('`', "");
    let readme = read("README.md").replace('`', "");
    let limits = [
        "A file or directory that you move elsewhere is yours: its lease ends.",
        "rm, and then > or mkdir under the same name: what is there then may stay, because a cleanup or a creation \
         that looks in between ends the lease.",
        "sed -i, mv new \"$f\" or tmpx replace \"$f\" on a file with a chosen name (from --name, or a template with \
         fewer than six X): the new file is yours. A cleanup keeps it and reports it once.",
    ];
    let of_one = |kind: &str| {
        [
            format!(
                "If you move the {kind}, its lease ends, and it stays. If you remove it and create another one \
                 under its name, that one may stay."
            ),
            "What sed -i or mv puts in its place is yours: cleanups keep it.".to_owned(),
            "With fewer than six X, what sed -i or mv puts in its place is yours: cleanups keep it.".to_owned(),
        ]
    };
    let mut places: Vec<(&str, String, Vec<String>)> = vec![
        ("README.md", readme, limits.map(str::to_owned).to_vec()),
        ("tmpx(1)", page("man/tmpx.1"), limits.map(str::to_owned).to_vec()),
        ("tmpx-file(1)", page("man/tmpx-file.1"), of_one("file").to_vec()),
        ("tmpx-dir(1)", page("man/tmpx-dir.1"), of_one("directory").to_vec()),
    ];
    let sandbox = Sandbox::new();
    for (command, kind) in [("file", "file"), ("dir", "directory")] {
        let help = sandbox.tmpx([command, "--help"]).succeeds().raw;
        places.push((command, help, of_one(kind).to_vec()));
    }
    for (place, text, sentences) in places {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in sentences {
            assert!(text.contains(&sentence), "{place}: {sentence}");
        }
    }
}
