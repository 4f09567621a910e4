//! The completions work in their shells.

use super::files::{completions, write};
use crate::support::sandbox::{Sandbox, has};

/// Creates a sandbox with the completions in its working directory.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    write(&sandbox, &completions());
    sandbox
}

/// Returns what bash offers for an unfinished command line.
fn bash_offers(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let last = words.len() - 1;
    let script = format!(
        "source ./tmpx.bash
        COMP_WORDS=({line}) COMP_CWORD={last}
        function=$(complete -p tmpx | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
        $function tmpx {} {}
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words[last],
        words[last - 1],
    );
    sandbox().shell("bash", &script).succeeds().raw
}

#[test]
fn bash_completes_subcommands_options_and_values() {
    if has("bash") {
        assert_eq!(bash_offers("tmpx clea"), "cleanup\n");
        assert_eq!(bash_offers("tmpx file --unt"), "--until-exit\n");
        assert_eq!(bash_offers("tmpx exec --keep alw"), "always\n");
    }
}

/// Returns what fish offers for an unfinished command line.
fn fish_offers(line: &str) -> String {
    let script = format!("source ./tmpx.fish; complete -C '{line}'");
    sandbox().shell("fish --no-config", &script).succeeds().raw
}

#[test]
fn fish_completes_subcommands_options_and_values() {
    if has("fish") {
        assert_eq!(
            fish_offers("tmpx clea"),
            "cleanup\tRemove what has ended, or what you select\n"
        );
        assert!(fish_offers("tmpx file --unt").starts_with("--until-exit"));
        assert!(fish_offers("tmpx exec --keep=alw").starts_with("--keep=always"));
    }
}

/// Returns what an interactive zsh turns a command line into when Tab is pressed at its end. `tmpx`
/// is a function there that prints its arguments.
fn zsh_completes(line: &str) -> String {
    let script = format!(
        "zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1= RPROMPT=; fpath=($PWD $fpath); autoload -U compinit; compinit -D -u'
        zpty -w shell 'unsetopt automenu; tmpx() {{ print -r -- \"called: $*\" }}; print re\"\"ady'
        zpty -r shell seen $'*\\nready*'
        zpty -w -n shell $'{line}\\t\\n'
        zpty -r shell seen $'*called: *\\n'
        print -r -- ${{seen##*called: }}
        zpty -d shell",
    );
    let ran = sandbox().shell("zsh -f", &script).env("TERM", "dumb").succeeds();
    ran.raw.trim().to_owned()
}

#[test]
fn zsh_completes_subcommands_options_and_values() {
    if has("zsh") {
        assert_eq!(zsh_completes("tmpx clea"), "cleanup");
        assert_eq!(zsh_completes("tmpx file --tt"), "file --ttl");
        assert_eq!(zsh_completes("tmpx exec --keep=alw"), "exec --keep=always");
    }
}

/// Returns what elvish offers after these words. Its `edit:` module exists only while it edits a
/// line, so this replaces the part of it that the script uses.
fn elvish_candidates(words: &str) -> Vec<String> {
    let script = format!(
        "var completion: = (ns [&arg-completer=[&]])
        var edit: = (ns [&completion:=$completion: &complex-candidate~={{|text &display=''| put $text}}])
        eval &ns=(ns [&edit:=$edit:]) (slurp < tmpx.elv)
        $edit:completion:arg-completer[tmpx] {words} | to-lines"
    );
    let ran = sandbox().shell("elvish -norc", &script).succeeds();
    ran.raw.lines().map(str::to_owned).collect()
}

#[test]
fn elvish_completes_subcommands_and_options() {
    if has("elvish") {
        assert!(elvish_candidates("tmpx ''").contains(&"cleanup".into()));
        assert!(elvish_candidates("tmpx file --un").contains(&"--until-exit".into()));
    }
}
