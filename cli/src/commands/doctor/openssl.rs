//! The provider: named in openssl.cnf, reached from its start, loaded, and obeyed.

use std::path::Path;

use super::check::Check;
use super::{Machine, elf};
use crate::args::USUAL_STATE_DIR;
use crate::library::nconf::Conf;
use crate::openssl_cnf::edit::{PROVIDER, Providers};
use crate::openssl_cnf::{self, Loaded, proof};

const INSTALL: &str = "peerkey install openssl";

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let path = &machine.config;
    let subject = path.display().to_string();
    let conf = match Conf::load(path) {
        Ok(conf) => conf,
        Err(misread) => {
            let line = misread.line.map(|line| format!(", line {line}")).unwrap_or_default();
            let finding = format!("OpenSSL cannot read it{line}: {}", misread.why);
            return vec![Check::unprotected(
                subject,
                finding,
                "mend it, then peerkey doctor again",
            )];
        }
    };
    let providers = Providers::of(&conf);
    let Some(section) = own_section(&conf, &providers) else {
        return vec![not_listed(path, &subject)];
    };
    let silence = match is_on(&conf, "config_diagnostics") {
        true => "",
        false => " (config_diagnostics is off, so that OpenSSL goes on in silence)",
    };
    let mut checks = Vec::new();
    match works(&conf, &providers, &section, path) {
        Ok(words) => checks.push(Check::well(&subject, words)),
        Err((why, remedy)) => {
            let finding = format!("it names peerkey, which does not hold: {why}{silence}");
            checks.push(Check::unprotected(&subject, finding, remedy));
        }
    }
    checks.extend(settings(machine, &conf, &section));
    checks.extend(node(&subject, &conf, &providers));
    if machine.is_usual && checks.iter().all(|check| check.remedy.is_none()) {
        checks.extend(by_itself(&subject));
    }
    checks
}

fn is_on(conf: &Conf, name: &str) -> bool {
    let value = conf.value("default", name).unwrap_or_default();
    ["1", "yes", "true", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The section of the provider, where the start of OpenSSL leads to it.
fn own_section(conf: &Conf, providers: &Providers) -> Option<String> {
    let is_ours = |section: &str| {
        let module = conf.value(section, "module").unwrap_or_default();
        Path::new(&module).file_name().is_some_and(|n| n.to_string_lossy().contains(PROVIDER))
    };
    let listed = || providers.listed.iter();
    let found = listed().find(|(name, _)| name == PROVIDER);
    let found = found.or_else(|| listed().find(|(_, section)| is_ours(section)));
    found.map(|(_, section)| section.clone())
}

fn not_listed(path: &Path, subject: &str) -> Check {
    match openssl_cnf::named_in(path) {
        Some(named) => Check::unprotected(
            subject,
            format!(
                "{}:{} names peerkey, but nothing leads there from openssl_conf: no program loads it",
                named.file.display(),
                named.line
            ),
            format!("take those lines out, then {INSTALL}"),
        ),
        None => Check::unprotected(subject, "peerkey is not in it: no program loads it", INSTALL),
    }
}

type Fault = (String, String);

/// Whether programs that read this file are held to a policy.
fn works(conf: &Conf, providers: &Providers, section: &str, path: &Path) -> Result<String, Fault> {
    if !providers
        .active
        .iter()
        .any(|name| providers.listed.iter().any(|(listed, own)| listed == name && own == section))
    {
        let why = format!("[{section}] does not activate it");
        return Err((why, format!("write activate = 1 into [{section}]")));
    }
    if let Some(module) = conf.value(section, "module") {
        module_is_fit(&module)
            .map_err(|why| (why, format!("peerkey remove openssl; {INSTALL}")))?;
    }
    let own = |name: &&String| *name != PROVIDER;
    let mut wanted: Vec<String> = providers.active.iter().filter(own).cloned().collect();
    if wanted.is_empty() {
        wanted.push("default".into());
    }
    let mut proved = proof::prove(path, &wanted).map_err(|why| (why, REINSTALL.to_owned()));
    if let (Err((why, _)), Some(words)) = (&mut proved, proof::inert(path)) {
        *why = format!("{words}; {why}");
    }
    proved.map(|()| {
        "openssl loads peerkey, and refused a server of doctor's own that a policy denied".into()
    })
}

const REINSTALL: &str = "peerkey remove openssl, then peerkey install openssl, which says more";

/// A module that is named by its path must be a library for this processor.
fn module_is_fit(module: &str) -> Result<(), String> {
    let path = Path::new(module);
    if !path.is_absolute() || module.contains('$') {
        return Ok(());
    }
    if !path.exists() {
        return Err(format!("the module {module} is not there"));
    }
    let Some(found) = elf::read(path) else {
        return Err(format!("the module {module} is no library"));
    };
    let own = std::env::current_exe().ok().and_then(|own| elf::read(&own));
    match own.filter(|own| own.processor != found.processor) {
        Some(_) => Err(format!("the module {module} is for another processor")),
        None => Ok(()),
    }
}

/// What the provider is told.
fn settings(machine: &Machine<'_>, conf: &Conf, section: &str) -> Vec<Check> {
    let subject = format!("[{section}]");
    let mut checks = Vec::new();
    let state = conf.value(section, "state-dir").unwrap_or_else(|| USUAL_STATE_DIR.into());
    let asked = std::path::absolute(&machine.global.state_dir);
    if asked.is_ok_and(|asked| asked != Path::new(&state)) {
        let here = machine.global.state_dir.display();
        let finding = format!("programs read the policy in {state}, and this is about {here}");
        let remedy = format!("peerkey --state-dir {state} doctor");
        checks.push(Check::unprotected(&subject, finding, remedy));
    }
    if conf.value(section, "on-error").as_deref() == Some("application") {
        let finding = "on-error = application: where the policy cannot be read, programs decide by \
                       themselves";
        checks.push(Check::note(&subject, finding));
    }
    checks
}

/// Node reads a section of its own (node(1), --openssl-config).
fn node(subject: &str, conf: &Conf, providers: &Providers) -> Option<Check> {
    let list = |start: &String| conf.value(start, "providers");
    let ours = providers.list.as_ref();
    if providers.node.as_ref().and_then(list).as_ref() == ours {
        return None;
    }
    let finding = "nodejs_conf does not lead to peerkey: Node's programs do not load it";
    Some(Check::warning(
        subject,
        finding,
        "write nodejs_conf = the section that openssl_conf names",
    ))
}

/// The program `openssl` must come to this file by itself.
fn by_itself(subject: &str) -> Option<Check> {
    let (finding, remedy) = match openssl_cnf::loaded_by_itself() {
        Loaded::Yes(_) => return None,
        Loaded::No => (
            "the program openssl reads another file by itself: it does not load peerkey".into(),
            "openssl version -d says where it looks: peerkey install openssl --config FILE",
        ),
        Loaded::Broken(why) | Loaded::Unknown(why) => (why, REINSTALL),
    };
    Some(Check::unprotected(subject, finding, remedy))
}
