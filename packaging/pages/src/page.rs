//! One man page.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The page's name: `peerkey-keys-accept`.
pub(crate) fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Writes the page of a command.
pub(crate) fn write(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone())
        .title(name(command).to_uppercase())
        .source(format!("peerkey {version}"))
        .manual("peerkey");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    man.render_options_section(out)?;
    examples(command).to_writer(out)?;
    if name(command) == "peerkey" {
        files().to_writer(out)?;
    }
    see_also(command).to_writer(out)
}

/// What stands below the help, with its columns: a heading, then lines as they are typed.
fn examples(command: &Command) -> Roff {
    let mut roff = Roff::default();
    let Some(text) = command.get_after_long_help().map(ToString::to_string) else { return roff };
    let (heading, lines) = text.split_once(":\n").unwrap_or(("Examples", &text));
    roff.control("SH", [heading.to_uppercase().as_str()]);
    roff.control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

const FILES: [(&str, &str); 7] = [
    ("/etc/peerkey/policy.toml", "The policy: peerkey-policy(5)."),
    ("/etc/peerkey/policy.d/*.toml", "Further parts of it, in the order of their names."),
    ("/etc/peerkey/tests/*.toml", "What the policy is expected to say: peerkey-test(1)."),
    ("/var/lib/peerkey/policy-1.db", "The policy in force, compiled."),
    ("/var/lib/peerkey/uid/N/keys.db", "Keys that are remembered for a user of the system."),
    ("~/.local/state/peerkey/keys.db", "Keys that are remembered for a person."),
    ("~/.local/state/peerkey/record.jsonl", "What a person's programs decided: peerkey-log(1)."),
];

fn files() -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["FILES"]);
    for (path, text) in FILES {
        roff.control("TP", []);
        roff.text([bold(path)]);
        roff.text([roman(text)]);
    }
    roff
}

fn see_also(command: &Command) -> Roff {
    let mut pages = vec!["peerkey-policy(5)", "peerkey-openssl(7)", "peerkey-nss(7)"];
    if name(command) != "peerkey" {
        pages.insert(0, "peerkey(1)");
    }
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    for (at, page) in pages.iter().enumerate() {
        let (name, section) = page.split_once('(').unwrap_or((page, ""));
        let end = if at + 1 < pages.len() { "," } else { "" };
        roff.text([bold(name), roman(format!("({section}{end}"))]);
    }
    roff
}
