//! Runs the examples unchanged. The example for mktemp has its tests in `mktemp`.

use std::fs;

use crate::support::sandbox::{Ran, Sandbox, has, names};
use crate::support::wait::wait_until;

const PDF_WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pdf-workspace.sh");

/// Runs the example and then a cleanup. Only the working directory may still hold files.
fn take_a_pdf_apart(sandbox: &Sandbox, args: &str) -> Ran {
    let ran = sandbox.sh(&format!("sh {PDF_WORKSPACE} {args}")).run();
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(sandbox.left(), Vec::<String>::new(), "{ran:?}");
    ran
}

#[test]
fn the_pdf_example_saves_results_but_none_of_a_broken_pdf() {
    if !has("pdftotext") {
        return;
    }
    let sandbox = Sandbox::new();
    let ran = take_a_pdf_apart(&sandbox, "");
    let expected = "==> results/pages.txt <==\npage 1: 4 words\npage 2: 3 words\npage 3: 5 words\n\n\
                    ==> results/text.txt <==\nWind over the sea\n\nIce in spring\n\n\
                    Nine ways to count birds\n\n\
                    the broken one: status 1, nothing saved, nothing left\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), expected), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), ["results"]);
    assert_eq!(names(&sandbox.cwd().join("results")), ["pages.txt", "text.txt"]);
}

#[test]
fn the_pdf_example_exits_with_the_status_of_the_failed_tool() {
    if !has("pdftotext") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("broken.pdf"), "%PDF-1.4\nand no more").unwrap();
    let ran = take_a_pdf_apart(&sandbox, "broken.pdf");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.starts_with("Syntax "), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), ["broken.pdf"]);
    let message = "tmpx: --in nosuch.pdf:input.pdf: No such file or directory\n";
    let ran = take_a_pdf_apart(&sandbox, "nosuch.pdf");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(125), message));
}

/// Runs an example with these arguments.
fn example(sandbox: &Sandbox, name: &str, args: &str) -> Ran {
    let path = format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    sandbox.sh(&format!("sh {path} {args}")).run()
}

#[test]
fn the_scrape_example_fetches_each_page_once_until_it_expires() {
    if !has("curl") || !has("python3") {
        return;
    }
    let pages = "This is page one.\nThis is page two.\nThis is page three.\nno such page\n";
    // Of 1 ms, everything has expired at the second time.
    for (ttl, second) in [("", 3), ("1ms", 6)] {
        let sandbox = Sandbox::new();
        let ran = example(&sandbox, "scrape.sh", ttl);
        let expected = format!(
            "{pages}first time: 4 requests\n\
             second time: {second} requests for pages, 2 for a missing one\n"
        );
        assert_eq!((ran.status, &*ran.stdout), (Some(0), &*expected), "{ran:?}");
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        assert_eq!(sandbox.left(), [""; 0]);
    }
}

#[test]
fn the_prompt_example_answers_at_once_and_refreshes_in_the_background() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::new();
    let prompt = || example(&sandbox, "prompt.sh", "");
    let git = "git init -q -b trunk . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one";
    assert_eq!((prompt().stdout, prompt().status), (String::new(), Some(0)), "no repository");
    sandbox.tmpx(["cache", "clear", "-q"]).succeeds();
    sandbox.sh(git).succeeds();
    assert_eq!(prompt().stdout, "(trunk) ");
    fs::write(sandbox.cwd().join("new"), "").unwrap();
    assert_eq!(prompt().stdout, "(trunk) ", "the last answer, within two seconds");
    wait_until("it is refreshed", || prompt().stdout == "(trunk*) ");
}
