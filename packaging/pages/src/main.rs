//! `peerkey-pages DIR`: writes a man page for each command, and completions for bash, zsh and fish. Both are
//! made from the definition with which the command reads its command line, so that they cannot differ.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use peerkey::args::Cli;

mod page;
#[cfg(test)]
mod tests;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: peerkey-pages DIR");
        return ExitCode::from(2);
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peerkey-pages: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Writes `man/*.1` and `completions/*` below a folder.
fn write(folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder)?;
    }
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    for command in visible(&root) {
        let path = man.join(format!("{}.1", page::name(command)));
        page::write(command, &mut File::create(path)?)?;
    }
    // Of the unbuilt definition: what is generated builds its own.
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "peerkey", &completions)?;
    }
    Ok(())
}

/// A command and all below it, but for what is hidden.
fn visible(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    std::iter::once(command).chain(below.flat_map(visible)).collect()
}
