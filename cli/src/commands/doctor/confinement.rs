//! AppArmor and SELinux: whether they keep programs from the provider or from the policy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Machine;
use super::apparmor;
use super::check::Check;
use super::elf::Stack;
use super::processes;
use crate::inquiry;
use crate::library::nconf::Conf;
use crate::openssl_cnf;
use crate::openssl_cnf::edit::Providers;

/// What programs of every domain may read and load (Fedora's policy).
const READABLE: [&str; 7] =
    ["cert_t", "lib_t", "usr_t", "textrel_shlib_t", "etc_t", "bin_t", "peerkey_var_lib_t"];

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let mut checks = apparmor(machine);
    checks.extend(selinux(machine));
    if checks.is_empty() {
        checks.push(Check::well("AppArmor, SELinux", "not in the way"));
    }
    checks
}

/// What a program must read: the module, and the policy.
fn module(machine: &Machine<'_>) -> Option<String> {
    let named = openssl_cnf::named_in(&machine.config)?;
    let conf = Conf::load(&machine.config).ok()?;
    let mut sections = Providers::of(&conf).listed.into_iter();
    let module = sections.find_map(|(_, section)| {
        conf.value(&section, "module").filter(|module| *module == named.module)
    });
    module.filter(|module| module.starts_with('/') && !module.contains('$'))
}

fn apparmor(machine: &Machine<'_>) -> Vec<Check> {
    let listed = machine.path("/sys/kernel/security/apparmor/profiles");
    let listed = fs::read_to_string(listed).unwrap_or_default();
    let enforced =
        |profile: &str| listed.lines().any(|line| line == format!("{profile} (enforce)"));
    let folder = machine.path("/etc/apparmor.d");
    let policy = inquiry::in_force(&machine.global.state_dir);
    let policy = fs::canonicalize(&policy).unwrap_or(policy).display().to_string();
    let module = module(machine);
    let mut checks = Vec::new();
    for profile in confined(machine).into_iter().filter(|profile| enforced(profile)) {
        let Some(file) = apparmor::file_of(&folder, &profile) else { continue };
        let rules = apparmor::rules(&folder, &file);
        let mut kept: Vec<String> = Vec::new();
        if !apparmor::allows(&rules, &policy, "r") {
            kept.push(format!("{policy} r"));
        }
        kept.extend(
            module.iter().filter(|m| !apparmor::allows(&rules, m, "mr")).map(|m| format!("{m} mr")),
        );
        if !kept.is_empty() {
            let subject = format!("AppArmor, {profile}");
            let finding =
                "an enforced profile, of a program with OpenSSL, that does not let it read these";
            let local = format!(
                "add them to {}/local/{}, then apparmor_parser -r {}",
                folder.display(),
                file.file_name().unwrap_or_default().display(),
                file.display()
            );
            checks.push(Check::unprotected(subject, finding, local).about(kept));
        }
    }
    checks
}

/// The profiles of running programs with OpenSSL.
fn confined(machine: &Machine<'_>) -> BTreeSet<String> {
    let profile = |process: &processes::Process| {
        let paths =
            ["attr/apparmor/current", "attr/current"].map(|name| process.folder().join(name));
        let text = paths.iter().find_map(|path| fs::read_to_string(path).ok())?;
        let (profile, mode) = text.trim().trim_end_matches('\0').rsplit_once(" (")?;
        (mode == "enforce)").then(|| profile.to_owned())
    };
    let all = &machine.seen().processes;
    all.iter().filter(|p| p.stacks().contains(&Stack::OpenSsl)).filter_map(profile).collect()
}

fn selinux(machine: &Machine<'_>) -> Vec<Check> {
    let enforce = fs::read_to_string(machine.path("/sys/fs/selinux/enforce")).unwrap_or_default();
    if enforce.trim() != "1" {
        return Vec::new();
    }
    let state = &machine.global.state_dir;
    let mut paths = vec![state.clone(), inquiry::in_force(state)];
    paths.extend(module(machine).map(PathBuf::from));
    paths.iter().filter_map(|path| label(path)).collect()
}

/// A label that keeps programs of some domains from a file.
fn label(path: &Path) -> Option<Check> {
    let mut value = [0; 256];
    let length = rustix::fs::getxattr(path, "security.selinux", &mut value[..]).ok()?;
    let value = value.get(..length)?;
    let label = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
    let kind = label.split(':').nth(2).unwrap_or_default();
    if READABLE.contains(&kind) {
        return None;
    }
    let shown = path.display().to_string();
    let finding =
        format!("SELinux enforces, and its type is {kind}, which not every program may read");
    let remedy = format!(
        "semanage fcontext -a -t cert_t '{shown}(/.*)?'; restorecon -RF {shown} (or cert_t's like, \
         lib_t, for the module)"
    );
    Some(Check::unprotected(shown, finding, remedy))
}
