//! What pages must say.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use peerkey::crypto::System;
use peerkey_core::source;

use super::*;

fn source_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("man").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_command_has_a_page_with_each_of_its_options() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let commands = visible(&root);
    assert!(commands.len() > 20, "{}", commands.len());
    for command in commands {
        let path = folder.path().join("man").join(format!("{}.1", page::name(command)));
        let text = fs::read_to_string(&path).unwrap().replace("\\-", "-");
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        for option in options.filter_map(|option| option.get_long()) {
            assert!(text.contains(&format!("--{option}")), "{}: --{option}", path.display());
        }
        for heading in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH \"SEE ALSO\""] {
            assert!(text.contains(heading), "{}: {heading}", path.display());
        }
    }
}

#[test]
fn completions_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    for name in ["peerkey.bash", "_peerkey", "peerkey.fish"] {
        let text = fs::read_to_string(folder.path().join("completions").join(name)).unwrap();
        for command in Cli::command().get_subcommands() {
            assert!(text.contains(command.get_name()), "{name}: {}", command.get_name());
        }
    }
}

#[test]
fn shells_can_read_their_completions() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    for (shell, name) in [("bash", "peerkey.bash"), ("zsh", "_peerkey"), ("fish", "peerkey.fish")] {
        let mut read = std::process::Command::new(shell);
        match read.arg("-n").arg(folder.path().join("completions").join(name)).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {output:?}"),
            // Past the capture of tests' output.
            Err(_) => {
                writeln!(io::stderr(), "skipped: there is no {shell} to read completions").unwrap()
            }
        }
    }
}

/// One unknown key in each table: the reader then says what the table's keys are.
const ASKED: &str = r#"
version = 1
zzzzzzzzzzzz = 1
[authority.a]
kind = "x509"
zzzzzzzzzzzz = 1
[authority.b]
kind = "pin"
zzzzzzzzzzzz = 1
[[authority.b.key]]
zzzzzzzzzzzz = 1
[authority.c]
kind = "tofu"
zzzzzzzzzzzz = 1
[[constraint]]
zzzzzzzzzzzz = 1
[[deny]]
zzzzzzzzzzzz = 1
[[rule]]
zzzzzzzzzzzz = 1
accept = { zzzzzzzzzzzz = 1 }
[default]
zzzzzzzzzzzz = 1
[application."/usr/bin/true"]
zzzzzzzzzzzz = 1
"#;
/// As many tables as are asked about above.
const TABLES: usize = 11;

fn keys_of_the_language() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), ASKED).unwrap();
    let wrong = source::load(folder.path(), &System::start(), 0).unwrap_err();
    let hints = wrong.iter().filter_map(|diagnostic| diagnostic.hint.as_deref());
    let lists: Vec<_> = hints.filter_map(|hint| hint.strip_prefix("its keys are ")).collect();
    assert_eq!(lists.len(), TABLES, "{wrong:#?}");
    lists.iter().flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

#[test]
fn the_page_about_policies_names_every_key() {
    let page = source_of("peerkey-policy.5");
    let items = page.lines().filter_map(|line| line.strip_prefix(".It Ic "));
    let items: BTreeSet<&str> = items
        .flat_map(str::split_whitespace)
        .filter(|word| *word != "," && *word != "Ic")
        .collect();
    let missing: Vec<_> =
        keys_of_the_language().into_iter().filter(|key| !items.contains(&**key)).collect();
    assert!(missing.is_empty(), "packaging/man/peerkey-policy.5 has no \".It Ic\" of {missing:?}");
}

#[test]
fn the_pages_about_libraries_name_each_parameter() {
    for (page, code) in [
        ("peerkey-openssl.7", "openssl-provider/src/params.rs"),
        ("peerkey-nss.7", "nss-module/src/settings.rs"),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let code = fs::read_to_string(root.join(code)).unwrap();
        let page = source_of(page);
        for name in ["state-dir", "on-error"] {
            assert!(code.contains(name) && page.contains(&format!(".It Ic {name}")), "{name}");
        }
    }
}
