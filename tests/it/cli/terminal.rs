//! What a terminal shows: never what it would obey.

use crate::support::pty::Terminal;
use crate::support::sandbox::Sandbox;

/// Names a file so that a terminal would change its title and colors, clear itself, and turn the text
/// around.
const NAME: &str = "a\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}gpj.\u{2066}\u{7f}b\nc";

/// Each command prints the name: as a path, in JSON, in a table, in a message or in a hint.
const SCRIPT: &str = r#"
exec </dev/null; cd "$NAME" && TMPDIR=$PWD && export TMPDIR
tmpx file; tmpx dir --json; tmpx file --name "$NAME"; tmpx file --name "$NAME"; tmpx file -0; echo
tmpx file -p "$NAME/missing"; tmpx file --session "$NAME"; tmpx file --ttl "$NAME"
tmpx file --until-exit="$NAME"; tmpx file --prefix "$NAME"; tmpx file --from "$NAME"; tmpx "$NAME"
tmpx file "--$NAME"
tmpx mktemp; tmpx mktemp -p "$NAME/missing"; tmpx mktemp "$NAME"; tmpx mktemp "--$NAME"
tmpx workspace --export; tmpx workspace --in "$NAME"; tmpx workspace --mkdir "$NAME"
tmpx gettempdir; tmpx gettempdir --all; tmpx gettempdir --all --json; TMPDIR=$NAME/missing tmpx dir
tmpx exec -- "$NAME"; tmpx exec --out "$NAME" -- true; tmpx exec --keep -- true
tmpx exec --out made:"$NAME/missing/" -- touch made
tmpx exec --here -- sh -c 'sleep 60 & echo $! >pid'; kill "$(cat pid)"
tmpx exec --in "$NAME:x" -- true; tmpx exec --report "$NAME/missing" -- true
tmpx spool -- "$NAME"; tmpx spool --report "$NAME/missing" -- true </dev/null
tmpx replace "$NAME/missing" </dev/null; tmpx replace "$NAME" -- "$NAME"; mkdir "$NAME"
tmpx replace "$NAME" </dev/null
tmpx chunk --format csv --rows 1 "$NAME"; echo x >"x$NAME"; tmpx chunk --format lines --rows 1 "x$NAME"
tmpx chunk --format lines --rows 1 -- "$NAME" <"x$NAME"
tmpx cache -- "$NAME"; tmpx cache --list; tmpx cache -- true
tmpx list; tmpx list --json; tmpx list -0; echo
tmpx cleanup "$NAME"; tmpx cleanup --session "$NAME"; tmpx cleanup -n --all; tmpx cleanup --all --json
TMPX_STATE_DIR=$PWD/x$NAME tmpx file; TMPX_STATE_DIR=$NAME tmpx list; TMPX_UNTIL_EXIT=$NAME tmpx dir
TMPX_TTL=$NAME tmpx dir; TMPX_SESSION=$NAME tmpx dir
: >"$TMPX_STATE_DIR/leases/0123456789ab-abcdefghij"; echo damaged >"$TMPX_STATE_DIR/leases/0123456789ab-abcdefghij"
tmpx list; tmpx cleanup --all; rm "$TMPX_STATE_DIR/leases/0123456789ab-abcdefghij"
tmpx cleanup --all --force
echo the end
"#;

#[test]
fn no_subcommand_sends_a_terminal_what_a_name_contains() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.cwd().join(NAME)).unwrap();
    std::fs::create_dir(sandbox.root().join(format!("home/{NAME}"))).unwrap();
    let state = sandbox.home().join(NAME);
    let run = sandbox.sh(SCRIPT).env("NAME", NAME).env("TMPX_STATE_DIR", &state);
    let mut terminal = Terminal::start(run.prepared());
    terminal.see("the end");
    let (shown, _) = terminal.close();
    let is_obeyed = |character: char| {
        character.is_control() && !matches!(character, '\n' | '\r' | '\t' | '\0')
            || ('\u{202a}'..='\u{202e}').contains(&character)
            || ('\u{2066}'..='\u{2069}').contains(&character)
    };
    // The shell and its tools print some messages themselves.
    let lines = shown.lines().filter(|line| !line.starts_with("sh: ") && line.contains(is_obeyed));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines, Vec::<&str>::new(), "{shown:?}");
    assert!(shown.contains("\\u{202e}gpj."), "{shown}");
}

#[test]
fn whoever_types_the_input_is_told_so() {
    for (args, typed) in [("replace f", "a\r\u{4}"), ("spool", "\u{4}"), ("cache set k", "\u{4}")] {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.cwd().join("f"), "old").unwrap();
        let mut terminal =
            Terminal::start(sandbox.sh(&format!("tmpx {args}; echo the end")).prepared());
        terminal.see("tmpx: reads standard input from the terminal; Ctrl-D ends it");
        terminal.type_in(typed);
        terminal.see("the end");
        terminal.close();
    }
}
