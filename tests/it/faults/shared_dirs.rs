//! Kills tmpx at each call that changes anything, in directories that others may write to: what a kill
//! leaves is removed there too, although others could have put it there.

use super::every_call::{
    APPEND, COPY, Case, DIR, EXEC, FILE, NAME, OUT, REPLACE, SPOOL, SUFFIX, WORKSPACE, case,
    killed_at_every_change,
};

/// The mode of a directory that a group shares, as umask 002 leaves it.
const GROUP: u32 = 0o2775;

/// The mode of a directory in which everybody may rename everything.
const EVERYBODY: u32 = 0o777;

/// A directory with a name that the user chose.
const DIR_NAME: Case = case("", "dir --name build", true);

macro_rules! shared {
    ($($killed:ident $case:ident $mode:ident)*) => {$(
        #[test]
        fn $killed() {
            killed_at_every_change(&$case.in_dirs($mode));
        }
    )*};
}

shared! {
    file_killed_where_a_group_writes FILE GROUP
    file_killed_where_everybody_writes FILE EVERYBODY
    dir_killed_where_a_group_writes DIR GROUP
    dir_killed_where_everybody_writes DIR EVERYBODY
    name_killed_where_a_group_writes NAME GROUP
    dir_name_killed_where_everybody_writes DIR_NAME EVERYBODY
    workspace_killed_where_a_group_writes WORKSPACE GROUP
    exec_killed_where_everybody_writes EXEC EVERYBODY
    out_killed_where_a_group_writes OUT GROUP
    out_killed_where_everybody_writes OUT EVERYBODY
    replace_killed_where_a_group_writes REPLACE GROUP
    append_killed_where_everybody_writes APPEND EVERYBODY
    copy_killed_where_a_group_writes COPY GROUP
    spool_killed_where_everybody_writes SPOOL EVERYBODY
    suffix_killed_where_a_group_writes SUFFIX GROUP
}
