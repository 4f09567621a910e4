//! Arguments of `tmpx completions`. It is parsed on its own: one subcommand more in clap's tree would cost
//! every other run a little.

use clap::{Args, Parser, ValueEnum};

/// Print the completion script of a shell
///
/// The script completes subcommands and options. In bash, zsh and fish it also
/// completes values, the paths and sessions that tmpx knows, and the commands
/// that tmpx runs; in elvish and PowerShell, nothing else. Packages install it;
/// after 'cargo install' you do.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx completions SHELL",
    after_long_help = EXAMPLES,
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: CompletionShell,
}

// The command line of `tmpx completions`. A doc comment would replace that of the arguments in the help.
#[derive(Debug, Parser)]
#[command(name = "tmpx completions", disable_help_subcommand = true)]
pub(super) struct CompletionsCliArgs {
    #[command(flatten)]
    pub args: CompletionsArgs,
}

/// A shell for which there is a script.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CompletionShell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

const EXAMPLES: &str = "\
Examples:
  bash, from the next shell on:
      dir=~/.local/share/bash-completion/completions
      mkdir -p $dir
      tmpx completions bash > $dir/tmpx

  zsh, from the next shell on:
      mkdir -p ~/.zfunc
      tmpx completions zsh > ~/.zfunc/_tmpx
      echo 'fpath=(~/.zfunc $fpath); autoload -U compinit; compinit' >> ~/.zshrc

  fish:
      mkdir -p ~/.config/fish/completions
      tmpx completions fish > ~/.config/fish/completions/tmpx.fish";
