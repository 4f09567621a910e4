//! Kills tmpx in a sandbox that knows no newer system call: what replaces the calls leaks nothing either.

use super::every_call::{Case, DIR_IN_TWO_STEPS, FILE, REPLACE, REPORT, killed_at_every_change};
use crate::support::filter::Lack;

fn killed_without_newer_calls(case: Case) {
    killed_at_every_change(&case.lacking(Lack::NewerCalls));
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
