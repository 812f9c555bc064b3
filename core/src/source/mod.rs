//! Policy sources: `policy.toml` and `policy.d/*.toml` in a folder, and the files that they name.
//!
//! Reading never stops at the first mistake: whatever is wrong is reported with its place. Nothing
//! that is only nearly right is taken.

mod accept;
mod application;
mod authority;
mod cover;
mod diagnostic;
mod entry;
mod evidence;
mod field;
mod file;
mod lint;
mod list;
mod named;
mod pem;
mod publish;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod tofu;
mod trusted;
mod value;
mod whole;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

#[cfg(all(any(test, feature = "fuzz"), feature = "pkix"))]
pub(crate) use self::diagnostic::MOST;
pub use self::diagnostic::{Diagnostic, Snippet};
pub use self::file::digest;
pub use self::publish::{
    Interim, Kind as InterimKind, PublishError, Published, begin, confirm, end, interim, publish,
    publish_unattended, rollback, settle, unconfirmed,
};
pub use self::system::{complete, system_bundles};
pub use self::whole::{Whole, whole};

use self::accept::Names;
use self::diagnostic::{Sink, full};
use self::entry::MODES;
use self::field::{Table, Value};
use self::file::{Files, POLICY_LIMIT};
use self::list::Lists;
use self::text::{At, Text};
use crate::crypto::Crypto;
use crate::key::KeyHash;
use crate::policy::{Accept, Authority, AuthorityKind, Enforce, Log, Policy};

/// The version of the policy language.
pub const VERSION: u32 = 1;

const LOGS: [(&str, Log); 3] = [("refused", Log::Refused), ("all", Log::All), ("none", Log::None)];

/// A policy as read, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// What there is of each kind.
    pub summary: Counts,
}

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Policy files.
    pub files: usize,
    /// Authorities, without `application`.
    pub authorities: usize,
    /// Trust anchors.
    pub anchors: usize,
    /// CRLs.
    pub crls: usize,
    /// Pins.
    pub pins: usize,
    /// Named lists of peers.
    pub lists: usize,
    /// Constraints.
    pub constraints: usize,
    /// Denials.
    pub denials: usize,
    /// Rules, without the default.
    pub rules: usize,
}

/// Reads the policy in a folder, at the moment `now`, which is needed for warnings only.
/// `crypto` brings keys to the form in which they are compared.
pub fn load(config_dir: &Path, crypto: &dyn Crypto, now: i64) -> Result<Loaded, Vec<Diagnostic>> {
    let (mut sink, mut files) = (Sink::default(), Files::default());
    let order = policy_paths(config_dir, &mut files, &mut sink);
    let texts = read_texts(&order, &mut files, &mut sink);
    let parsed = texts.iter().filter_map(|text| Some((text, parse(text, &mut sink)?)));
    let parsed: Vec<(&Text, DeTable<'_>)> = parsed.collect();
    let roots: Vec<_> = parsed.iter().map(|(text, table)| Table::root(text, table)).collect();
    if !check_version(&roots, &mut sink) {
        return Err(sink.finish(&order).err().unwrap_or_default());
    }
    let lists = list::read(&roots, &mut sink);
    let names = Names::default();
    let mut cx = Context { sink, files, crypto, now, lists, names, marks: Marks::default() };
    let policy = cx.policy(&roots);
    if !cx.sink.has_errors() {
        lint::policy(&policy, &cx.marks, now, &mut cx.sink);
    }
    let summary = count(&policy, texts.len(), cx.lists.len());
    let warnings = cx.sink.finish(&order)?;
    let policy = Policy { sources: cx.files.into_sources(), ..policy };
    Ok(Loaded { policy, warnings, summary })
}

/// What reading a policy needs, and gathers.
struct Context<'a> {
    sink: Sink,
    files: Files,
    crypto: &'a dyn Crypto,
    now: i64,
    lists: Lists,
    names: Names,
    marks: Marks<'a>,
}

/// Where things stand, for warnings about a policy as a whole.
#[derive(Default)]
struct Marks<'a> {
    /// In the order of the authorities, but for `application`.
    authorities: Vec<At<'a>>,
    rules: Vec<At<'a>>,
    accepts: Vec<At<'a>>,
    default: Option<At<'a>>,
    pins: Vec<(At<'a>, Vec<KeyHash>)>,
    /// Who may vouch for new keys of known peers.
    rotations: Vec<(At<'a>, usize)>,
}

/// The files of the policy, `policy.toml` first.
fn policy_paths(config_dir: &Path, files: &mut Files, sink: &mut Sink) -> Vec<PathBuf> {
    let folder = std::path::absolute(config_dir).unwrap_or_else(|_| config_dir.to_owned());
    let more = folder.join("policy.d");
    let mut paths = vec![folder.join("policy.toml")];
    match files.list(&more) {
        Ok(names) => paths.extend(names.into_iter().filter(|path| is_policy_name(path))),
        Err(wrong) => {
            sink.incomplete = true;
            sink.error(Diagnostic::about_file(more, wrong.message).maybe_hint(wrong.hint));
        }
    }
    paths
}

fn read_texts(paths: &[PathBuf], files: &mut Files, sink: &mut Sink) -> Vec<Text> {
    let mut texts = Vec::new();
    for path in paths {
        let text = files.read(path, POLICY_LIMIT).map_err(|wrong| {
            let missing = !path.exists();
            let shipped = "the policy that changes nothing is: version = 1";
            let hint = wrong.hint.or_else(|| missing.then(|| shipped.into()));
            Diagnostic::about_file(path, wrong.message).maybe_hint(hint)
        });
        match text.and_then(|bytes| Text::new(path, bytes)) {
            Ok(text) => texts.push(text),
            Err(wrong) => {
                sink.incomplete = true;
                sink.error(wrong);
            }
        }
    }
    texts
}

/// `*.toml`, without what editors leave behind (`.#x.toml`).
fn is_policy_name(path: &Path) -> bool {
    let name = path.file_name().map_or(&b""[..], OsStrExt::as_bytes);
    name.ends_with(b".toml") && !name.starts_with(b".")
}

fn parse<'a>(text: &'a Text, sink: &mut Sink) -> Option<DeTable<'a>> {
    let table = text.parse(sink);
    sink.incomplete |= table.is_none();
    table
}

/// Whether the policy is of this version: of another, nothing more can be said.
fn check_version(roots: &[Table<'_>], sink: &mut Sink) -> bool {
    let mut ours = true;
    let value = once(roots, "version", sink);
    match value {
        Some(value) if is_number(&value, VERSION) => {}
        Some(value) => {
            ours = false;
            let message = format!("this version of the policy language is not known: {VERSION} is");
            let hint = format!("write version = {VERSION}, or use a newer peerkey");
            sink.error(value.at().says(message).hint(hint));
        }
        None if sink.incomplete => {}
        None => {
            let hint = format!("write version = {VERSION} at the top");
            match roots.first() {
                Some(root) => sink.error(root.at().says("the policy has no version").hint(hint)),
                None => ours = false,
            }
        }
    }
    ours
}

fn is_number(value: &Value<'_>, wanted: u32) -> bool {
    match value.inner() {
        toml::de::DeValue::Integer(number) => {
            u32::from_str_radix(number.as_str(), number.radix()) == Ok(wanted)
        }
        _ => false,
    }
}

/// The value of a key that may stand in one file only.
fn once<'a>(roots: &[Table<'a>], key: &str, sink: &mut Sink) -> Option<Value<'a>> {
    let mut holders = roots.iter().filter(|root| root.has(key));
    let first = holders.next()?;
    for other in holders {
        let place = full(&first.key_at(key).place());
        let message = format!("\"{key}\" is given twice: here, and at {place}");
        sink.error(other.key_at(key).says(message).hint("keep one of them"));
    }
    first.get(key)
}

impl<'a> Context<'a> {
    fn policy(&mut self, roots: &[Table<'a>]) -> Policy {
        for root in roots {
            self.top(root);
        }
        let mode = once(roots, "mode", &mut self.sink);
        let mode = mode.and_then(|v| v.word(&mut self.sink, "mode", &MODES)).unwrap_or_default();
        let log = once(roots, "log", &mut self.sink);
        let log = log.and_then(|v| v.word(&mut self.sink, "log", &LOGS)).unwrap_or_default();
        let enforce = once(roots, "enforce", &mut self.sink);
        let words = [("verified", Enforce::Verified), ("always", Enforce::Always)];
        let enforce = enforce.and_then(|v| v.word(&mut self.sink, "enforce", &words));
        let authorities = self.authorities(roots);
        let tables = |cx: &mut Self, key: &str| -> Vec<Table<'a>> {
            let values = roots.iter().filter_map(|root| root.get(key));
            values.flat_map(|value| value.tables(&mut cx.sink, key)).collect()
        };
        let constraints = tables(self, "constraint");
        let denials = tables(self, "deny");
        let rules = tables(self, "rule");
        Policy {
            mode,
            enforce: enforce.unwrap_or_default(),
            log,
            authorities,
            constraints: constraints.iter().filter_map(|t| self.constraint(t)).collect(),
            denials: denials.iter().filter_map(|t| self.denial(t)).collect(),
            rules: rules.iter().filter_map(|t| self.marked_rule(t)).collect(),
            default: self.default(roots),
            programs: self.programs(roots),
            system: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// The keys of a file's top level.
    fn top(&mut self, root: &Table<'a>) {
        const KNOWN: [&str; 9] = [
            "version",
            "mode",
            "enforce",
            "log",
            "authority",
            "constraint",
            "peers",
            "deny",
            "rule",
        ];
        root.only(&mut self.sink, &[&KNOWN[..], &["default", "application"]].concat());
    }

    fn authorities(&mut self, roots: &[Table<'a>]) -> Vec<Authority> {
        let mut authorities = vec![Authority {
            name: "application".into(),
            place: Default::default(),
            scope: Default::default(),
            kind: AuthorityKind::Application,
        }];
        for written in authority::find(roots, self) {
            self.marks.authorities.push(written.at);
            let authority = self.authority(written);
            authorities.push(authority);
        }
        for (at, index) in std::mem::take(&mut self.marks.rotations) {
            if matches!(authorities[index].kind, AuthorityKind::Tofu(_)) {
                let message = "keys remembered from first use cannot vouch for new ones";
                let hint = "name an authority of kind \"x509\" or \"pin\"";
                self.sink.error(at.says(message).hint(hint));
            }
        }
        authorities
    }

    fn marked_rule(&mut self, table: &Table<'a>) -> Option<crate::policy::Rule> {
        let rule = self.rule(table)?;
        self.marks.rules.push(table.at());
        self.marks.accepts.push(table.get("accept").map_or(table.at(), |value| value.at()));
        Some(rule)
    }

    /// `[default]`; without it, the program's own verification decides.
    fn default(&mut self, roots: &[Table<'a>]) -> Accept {
        let own = || Accept::Any(vec![Accept::Authority(0)]);
        let Some(value) = once(roots, "default", &mut self.sink) else { return own() };
        let Some(table) = value.table(&mut self.sink, "[default]") else { return own() };
        self.marks.default = Some(table.get("accept").map_or(table.at(), |value| value.at()));
        table.only(&mut self.sink, &["accept"]);
        self.accept(&table).unwrap_or_else(own)
    }
}

fn count(policy: &Policy, files: usize, lists: usize) -> Counts {
    let mut counts = Counts {
        files,
        lists,
        authorities: policy.authorities.len().saturating_sub(1),
        constraints: policy.constraints.len(),
        denials: policy.denials.len(),
        rules: policy.rules.len(),
        ..Counts::default()
    };
    for authority in &policy.authorities {
        match &authority.kind {
            AuthorityKind::X509 { anchors, crls, .. } => {
                counts.anchors += anchors.len();
                counts.crls += crls.len();
            }
            AuthorityKind::Pin { pins } => counts.pins += pins.len(),
            AuthorityKind::Application | AuthorityKind::Tofu(_) => {}
        }
    }
    counts
}
