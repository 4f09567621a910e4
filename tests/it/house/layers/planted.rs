//! The rules, applied to imagined sources that break them: a rule that finds nothing proves nothing.

use super::graph::Graph;
use super::imports::paths;
use super::rules;
use super::source::{Source, without_test_files};

fn imagined(path: &str, text: &str) -> Source {
    Source::new(format!("src/{path}"), text.to_owned())
}

const FLOORS: [&str; 3] = ["top", "middle", "bottom"];

/// A crate of three floors, to which the tests add files.
fn sources(more: &[(&str, &str)]) -> Vec<Source> {
    let files = [
        ("lib.rs", "mod top; mod middle; mod bottom; pub use middle::Part; pub fn run() {}"),
        ("top/mod.rs", "//! Top.\nmod roof; pub(crate) use roof::Roof;"),
        ("top/roof.rs", "use crate::middle::Part; pub(crate) struct Roof(Part);"),
        (
            "middle/mod.rs",
            "//! Middle.\nmod part; mod inner; pub use part::{Part, Piece as Bit}; pub use inner::Core;",
        ),
        ("middle/part.rs", "use crate::bottom::stone; pub struct Part; pub struct Piece;"),
        ("middle/inner/mod.rs", "//! Inner.\nmod core; pub use core::Core;"),
        ("middle/inner/core.rs", "pub struct Core;"),
        ("bottom/mod.rs", "//! Bottom.\npub(crate) mod stone;"),
        ("bottom/stone.rs", "pub(crate) fn lay() {}"),
    ];
    let mut sources: Vec<Source> = files
        .iter()
        .filter(|(path, _)| more.iter().all(|(other, _)| other != path))
        .chain(more)
        .map(|(path, text)| imagined(path, text))
        .collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn upward(more: &[(&str, &str)]) -> Vec<String> {
    Graph::new(&sources(more)).upward(&FLOORS.map(str::to_owned))
}

fn cycles(more: &[(&str, &str)]) -> Vec<Vec<String>> {
    Graph::new(&sources(more)).cycles()
}

fn wrong(more: &[(&str, &str)]) -> Vec<String> {
    Graph::new(&sources(more)).wrong_imports().to_vec()
}

#[test]
fn every_form_of_path_is_found() {
    let of = |path, text| {
        let found = paths(&imagined(path, text)).into_iter();
        let inside = found.filter(|path| path[0] == "crate" && path.len() > 1);
        inside.map(|path| path[1..].join("::")).collect::<Vec<_>>()
    };
    assert_eq!(of("a.rs", "use crate::b::{self, c::D, E as F};"), ["b", "b::E", "b::c::D"]);
    assert_eq!(of("a.rs", "use crate::{b, c::*};"), ["b", "c::*"]);
    assert_eq!(of("a.rs", "fn f() { x(&crate::b::c(1)); /* crate::d */ }"), ["b::c"]);
    assert_eq!(
        of("a/b.rs", "use super::{c::D, E}; use super::super::f;"),
        ["a::E", "a::c::D", "f"]
    );
    assert_eq!(of("a/b.rs", "fn f(x: super::C<crate::d::E>) {}"), ["a::C", "d::E"]);
    assert_eq!(of("a/mod.rs", "mod b; pub use b::C; use self::b::D;"), ["a::b::C", "a::b::D"]);
    assert_eq!(of("a.rs", "use crate::fs; fn f() { fs::Dir::open() }"), ["fs", "fs::Dir::open"]);
    assert_eq!(of("a.rs", "use std::fs; fn f() { fs::read() }"), [""; 0]);
    assert_eq!(of("a.rs", "fn f() { format!(\"{}\", crate::b::c(\"crate::d\")) }"), ["b::c"]);
    assert_eq!(of("a.rs", "use crate::b; fn f() { assert!(b::c) }"), ["b", "b::c"]);
    assert_eq!(of("a.rs", "#[arg(parser = crate::b::c())] struct S;"), ["b::c"]);
    assert_eq!(of("a.rs", "macro_rules! m { () => { $crate::b::c() } }"), [""; 0]);
    assert_eq!(of("a.rs", "mod b { use super::super::c; }"), ["c"]);
    assert_eq!(of("a.rs", "pub(in crate::b) struct S;"), [""; 0]);
}

#[test]
fn tests_may_import_anything() {
    let text = "#[cfg(test)] use crate::top::Roof;\n\
                #[cfg(test)] mod tests { fn f() { crate::top::roof() } }\n\
                struct S; impl S { #[cfg(test)] fn f() { crate::top::roof() } }";
    assert_eq!(upward(&[("bottom/stone.rs", text)]), [""; 0]);
    assert_eq!(upward(&[("bottom/stone.rs", &text.replace("#[cfg(test)] use", "use"))]).len(), 1);
}

#[test]
fn files_of_modules_for_tests_are_left_out() {
    let files = |declaration: &str| {
        let face = format!("//! Bottom.\n{declaration} mod fixture;");
        let files = [("bottom/mod.rs", face.as_str()), ("bottom/fixture.rs", "")];
        without_test_files(sources(&files)).len()
    };
    assert_eq!(files("#[cfg(test)]") + 1, files(""));
}

#[test]
fn imports_from_above_are_refused_in_every_form() {
    assert_eq!(upward(&[]), [""; 0]);
    for text in [
        "use crate::top::Roof;",
        "use crate::middle::{Part, Bit};",
        "fn f() { crate::middle::Core::new(); }",
        "use crate::middle; fn f() { middle::Part::new() }",
        "use super::super::middle::Part;",
        "use crate::middle::*;",
        "fn f() { panic!(\"{}\", crate::middle::Part) }",
    ] {
        assert_eq!(upward(&[("bottom/stone.rs", text)]).len(), 1, "{text}");
    }
    let far = "use crate::middle::Core;";
    let expected = "src/bottom/stone.rs imports src/middle/inner/core.rs";
    assert_eq!(upward(&[("bottom/stone.rs", far)]), [expected]);
}

#[test]
fn imports_between_floors_inside_a_folder_are_refused_upwards() {
    let upward = |floors: [&str; 4]| {
        let part = ("middle/part.rs", "use crate::middle::inner::core::Core;");
        Graph::new(&sources(&[part])).upward(&floors.map(str::to_owned))
    };
    assert_eq!(upward(["top", "middle", "middle/inner", "bottom"]), [""; 0]);
    let expected = "src/middle/part.rs imports src/middle/inner/core.rs";
    assert_eq!(upward(["top", "middle/inner", "middle", "bottom"]), [expected]);
}

#[test]
fn circles_are_found_by_way_of_faces_and_of_several_files() {
    assert_eq!(cycles(&[]), [[""; 0]; 0]);
    let face =
        "//! Middle.\nmod part; mod other; mod third; pub use other::Other; pub use third::Third;";
    let two = [
        ("middle/mod.rs", face),
        ("middle/part.rs", "use crate::middle::other::Other;"),
        ("middle/other.rs", "use super::part::Part;"),
        ("middle/third.rs", ""),
    ];
    assert_eq!(cycles(&two), [["src/middle/other.rs", "src/middle/part.rs"]]);
    let three = [
        ("middle/mod.rs", face),
        ("middle/part.rs", "use super::other;"),
        ("middle/other.rs", "use super::third;"),
        ("middle/third.rs", "fn f() { crate::middle::part::f() }"),
    ];
    assert_eq!(cycles(&three)[0].len(), 3);
    let through_a_nested_face = [
        ("middle/part.rs", "use super::inner::Core;"),
        ("middle/inner/core.rs", "use crate::middle::part::Part;"),
    ];
    assert_eq!(cycles(&through_a_nested_face)[0].len(), 2);
}

#[test]
fn a_file_does_not_import_its_own_face_or_lib_rs() {
    assert_eq!(wrong(&[]), [""; 0]);
    for (path, text) in [
        ("middle/part.rs", "use crate::middle::Core;"),
        ("middle/part.rs", "use super::Bit;"),
        ("middle/part.rs", "use super::*;"),
        ("middle/inner/core.rs", "use crate::middle::Part;"),
        ("middle/part.rs", "use crate::Part;"),
        ("middle/part.rs", "fn f() { crate::run() }"),
        ("top/mod.rs", "//! Top.\nmod roof; pub use crate::middle::Part;"),
    ] {
        assert_eq!(wrong(&[(path, text)]).len(), 1, "{text}");
    }
}

#[test]
fn a_subcommand_that_imports_another_one_is_found() {
    let between = |text| {
        let sources =
            sources(&[("top/list.rs", text), ("top/exec.rs", ""), ("top/context.rs", "")]);
        Graph::new(&sources).between_commands("top", &["list".into(), "exec".into()]).len()
    };
    assert_eq!(between("use super::context;"), 0);
    assert_eq!(between("use super::exec;"), 1);
}

/// Checks that a rule finds these sources and passes those.
#[track_caller]
fn tells(rule: fn(&Source) -> Vec<String>, wrong: &[(&str, &str)], right: &[(&str, &str)]) {
    for (path, text) in wrong {
        assert_eq!(rule(&imagined(path, text)).len(), 1, "{path}: {text}");
    }
    for (path, text) in right {
        assert_eq!(rule(&imagined(path, text)), [""; 0], "{path}: {text}");
    }
}

#[test]
fn unsafe_code_is_found_wherever_it_is() {
    tells(
        rules::unsafe_outside_sys,
        &[
            ("fs/a.rs", "fn f() { unsafe { g() } }"),
            ("fs/a.rs", "unsafe impl Send for S {}"),
            ("fs/a.rs", "#[unsafe(no_mangle)] fn f() {}"),
            ("fs/a.rs", "fn f() { m!(unsafe { g() }) }"),
            ("fs/a.rs", "#[cfg(test)] mod tests { fn f() { unsafe { g() } } }"),
            ("lib.rs", "unsafe fn f() {}"),
        ],
        &[
            ("sys/a.rs", "unsafe fn f() {}"),
            ("fs/a.rs", "#![allow(unsafe_code)] // unsafe\nfn f() { g(\"unsafe\") }"),
        ],
    );
}

#[test]
fn printing_is_found_in_every_form() {
    tells(
        rules::printing_outside_ui,
        &[
            ("fs/a.rs", "fn f() { println!() }"),
            ("fs/a.rs", "fn f() { g(|| eprint!(\"x\")) }"),
            ("fs/a.rs", "use std::io; fn f() { io::stdout() }"),
            ("fs/a.rs", "use std::io::{Write, stderr};"),
            ("fs/a.rs", "fn f() { rustix::stdio::stderr() }"),
            ("fs/a.rs", "use rustix::stdio; fn f() { vec![stdio::stdout()] }"),
        ],
        &[
            ("ui/a.rs", "fn f() { println!() }"),
            ("commands/exec/a.rs", "use std::io::stderr;"),
            ("fs/a.rs", "use std::io; fn f() { io::stdin() }"),
            ("fs/a.rs", "#[cfg(test)] mod tests { fn f() { println!() } }"),
        ],
    );
}

#[test]
fn downcasts_are_found() {
    tells(
        rules::downcasts_outside_advice,
        &[
            ("fs/a.rs", "fn f() { err.downcast_ref::<E>() }"),
            ("commands/a.rs", "fn f() { err.chain().any(|cause| cause.downcast::<E>().is_ok()) }"),
        ],
        &[
            ("commands/errors/a.rs", "fn f() { err.downcast_ref::<E>() }"),
            ("fs/a.rs", "#[cfg(test)] mod tests { fn f() { err.downcast::<E>() } }"),
        ],
    );
}

#[test]
fn conditions_on_the_system_are_found() {
    tells(
        rules::systems_outside_sys_and_os,
        &[
            ("fs/a.rs", "#[cfg(target_os = \"linux\")] fn f() {}"),
            ("fs/a.rs", "#[cfg(not(any(target_os = \"linux\")))] use a::b;"),
            ("fs/a.rs", "fn f() { if cfg!(target_os = \"linux\") {} }"),
            ("fs/a.rs", "fn f() { #[cfg(target_env = \"musl\")] g(); }"),
        ],
        &[
            ("os/a.rs", "#[cfg(target_os = \"linux\")] fn f() {}"),
            ("sys/a.rs", "#[cfg(target_os = \"linux\")] fn f() {}"),
            ("fs/a.rs", "#[cfg(feature = \"x\")] fn f(target_os: u8) {}"),
        ],
    );
}

#[test]
fn the_tempfile_crate_is_found_outside_the_probe() {
    tells(
        rules::tempfile_outside_the_probe,
        &[
            ("fs/a.rs", "use tempfile::NamedTempFile;"),
            ("fs/a.rs", "fn f() { tempfile::tempfile_in(dir) }"),
            ("create/tempdir.rs", "fn f() { tempfile::tempdir() }"),
        ],
        &[
            ("create/tempdir.rs", "fn f() { tempfile::tempfile_in(dir) }"),
            ("fs/a.rs", "#[cfg(test)] mod tests { fn f() { tempfile::tempdir() } }"),
            ("fs/a.rs", "fn f(tempfile: u8) {}"),
        ],
    );
}

#[test]
fn code_in_a_face_a_loose_file_and_a_long_one_are_found() {
    tells(
        rules::code_in_face,
        &[
            ("fs/mod.rs", "//! Files.\nmod dir; fn f() {}"),
            ("fs/mod.rs", "//! Files.\nmod dir { fn f() {} }"),
            ("fs/mod.rs", "mod dir;"),
        ],
        &[
            ("fs/mod.rs", "//! Files.\n#![allow(x)]\nmod dir; pub(crate) use dir::Dir;"),
            ("fs/dir.rs", "fn f() {}"),
        ],
    );
    tells(rules::loose_file, &[("a.rs", "")], &[("lib.rs", ""), ("main.rs", ""), ("fs/a.rs", "")]);
    let (fits, long) = ("//\n".repeat(500), "//\n".repeat(501));
    tells(rules::too_long, &[("fs/a.rs", &long)], &[("fs/a.rs", &fits)]);
}

#[test]
fn names_of_types_are_compared() {
    let shared = |a, b| {
        rules::types_that_share_a_name(&[imagined("fs/a.rs", a), imagined("fs/b.rs", b)]).len()
    };
    assert_eq!(shared("struct A;", "enum A {}"), 1);
    assert_eq!(shared("trait A {}", "fn f() { type A = u8; }"), 1);
    assert_eq!(shared("struct A;", "struct B;"), 0);
    assert_eq!(shared("struct A;", "#[cfg(test)] mod tests { struct A; }"), 0);
    assert_eq!(shared("trait T { type A; }", "struct A;"), 0);
    tells(
        rules::clap_type_without_args,
        &[
            ("cli/a.rs", "#[derive(Debug, clap::Args)] struct Place;"),
            ("cli/a.rs", "#[derive(Parser)] struct Cli;"),
            ("cli/a.rs", "#[derive(Subcommand)] enum Command {}"),
        ],
        &[
            ("cli/a.rs", "#[derive(Debug, clap::Args)] struct PlaceArgs;"),
            ("cli/a.rs", "#[derive(Debug, ValueEnum)] enum Policy {}"),
        ],
    );
}
