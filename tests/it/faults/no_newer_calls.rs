//! Kills tmpx in a sandbox that knows no newer system call: what replaces the calls leaks nothing either.

use super::every_call::{Case, DIR_IN_TWO_STEPS, FILE, REPLACE, REPORT, signalled_at_calls};
use crate::support::filter::Lack;

/// The calls that change something, and those that wait. A kill at a call in between finds the same as one
/// at the next of these.
const CHANGING: &str = "clone execve fchmod fchown fsetxattr ftruncate linkat mkdir mkdirat openat pwrite64 \
    renameat symlinkat unlinkat vfork wait4 write";

fn killed_without_newer_calls(case: Case) {
    let is_changing = |name: &str| CHANGING.split_whitespace().any(|call| call == name);
    signalled_at_calls(&case.lacking(Lack::NewerCalls), "SIGKILL", is_changing);
}

#[test]
fn a_killed_file_is_removed() {
    killed_without_newer_calls(FILE);
}

#[test]
fn a_killed_dir_under_a_chosen_name_is_removed() {
    killed_without_newer_calls(DIR_IN_TWO_STEPS);
}

#[test]
fn a_killed_exec_leaves_neither_its_workspace_nor_half_a_result() {
    killed_without_newer_calls(REPORT);
}

#[test]
fn a_killed_replace_leaves_the_old_content_or_the_new() {
    killed_without_newer_calls(REPLACE);
}
