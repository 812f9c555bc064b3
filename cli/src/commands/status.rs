//! `status`: whether a policy is in force and up to date, and whether OpenSSL follows it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use peerkey_core::source::{self, InterimKind, Whole};
use peerkey_core::store::Compiled;
use serde_json::{Value, json};

use super::{FINE, NO, policy};
use crate::args::{Global, StatusArgs, USUAL_STATE_DIR};
use crate::clock::{self, relative, rfc3339};
use crate::inquiry;
use crate::openssl_cnf::{self, Configuration, Loaded};
use crate::render::tree::Branch;
use crate::render::{self, BOLD, GOOD, ODD, count, json, styled};
use crate::screen::Screen;

/// Runs the command.
pub fn run(global: &Global, args: &StatusArgs, screen: &Screen) -> io::Result<u8> {
    let mut status = Status::default();
    status.policy(global);
    status.openssl(global);
    screen.print(&match args.json {
        true => json::text(&status.document()),
        false => {
            status.sections.iter().map(|s| s.draw(screen.lines)).collect::<String>()
                + &status.closing()
        }
    })?;
    Ok(if status.wrong.is_empty() { FINE } else { NO })
}

/// What was found.
#[derive(Default)]
struct Status {
    sections: Vec<Branch>,
    policy: Value,
    openssl: Value,
    /// What wants a look, and what to do.
    wrong: Vec<String>,
}

impl Status {
    fn policy(&mut self, global: &Global) {
        let path = inquiry::in_force(&global.state_dir);
        let title = Branch::new(styled(BOLD, format!("policy {}", path.display())));
        if !path.exists() {
            self.wrong.push("no policy is in force: run peerkey apply".into());
            self.sections.push(title.with(Branch::new(styled(ODD, "there is none"))));
            return;
        }
        let compiled = match inquiry::open(&path) {
            Ok(compiled) => compiled,
            Err(why) => {
                let why = why.to_string();
                let why = why.trim_end_matches(": run peerkey apply");
                self.wrong.push(format!("{why}: run peerkey apply"));
                self.sections.push(title.with(Branch::new(styled(ODD, "it is not readable"))));
                return;
            }
        };
        self.wrong.extend(refusals(&path).into_iter().chain(refusals(&global.state_dir)));
        let content = self.content(global);
        let meta = compiled.meta();
        let age = relative(meta.compiled_at, clock::now());
        let sources = self.sources(&compiled);
        let effect = effect(&compiled);
        self.interim(global);
        self.sections.push(
            title
                .with(Branch::fact("compiled", format!("{} ({age})", rfc3339(meta.compiled_at))))
                .with(Branch::fact("mode", policy::mode(meta)))
                .with(Branch::fact("effect", effect))
                .with(Branch::fact("digest", &meta.digest))
                .with(content)
                .with(sources),
        );
        self.policy["path"] = json!(path);
        self.policy["compiled-at"] = json!(rfc3339(meta.compiled_at));
        self.policy["mode"] = json!(policy::mode(meta));
        self.policy["digest"] = json!(meta.digest);
        self.policy["transparent"] = json!(compiled.is_transparent());
    }

    /// What is in force for a while only.
    fn interim(&mut self, global: &Global) {
        if !source::unconfirmed(&global.state_dir).is_empty() {
            let words = "nobody confirmed the last policy, and it went back: units leave its sources alone until \
                         they are changed, or somebody runs peerkey apply";
            self.wrong.push(words.into());
        }
        let Some(interim) = source::interim(&global.state_dir) else { return };
        let until = rfc3339(interim.until);
        self.policy["until"] = json!(until);
        self.wrong.push(match interim.kind {
            InterimKind::Off => format!("peerkey is OFF until {until}: peerkey on ends that"),
            InterimKind::Confirm => {
                format!(
                    "the policy goes back to the one before at {until}: peerkey confirm keeps it"
                )
            }
        });
    }

    /// Whether the compiled policy is as it was published, to the last byte.
    fn content(&mut self, global: &Global) -> Branch {
        let (known, said) = match source::whole(&global.state_dir) {
            Ok(Whole::Yes) => (true, styled(GOOD, "as published")),
            Ok(Whole::No) => {
                self.wrong.push("the compiled policy is damaged: run peerkey apply".into());
                (false, styled(ODD, "damaged: it is not what was published"))
            }
            Ok(Whole::Unknown) => {
                self.wrong.push("no digest of the policy is recorded: run peerkey apply".into());
                (false, styled(ODD, "not known: no digest is recorded"))
            }
            Err(why) => {
                self.wrong.push(format!("the compiled policy cannot be read whole: {why}"));
                (false, styled(ODD, format!("not known: {why}")))
            }
        };
        self.policy["as-published"] = json!(known);
        Branch::fact("content", said)
    }

    /// Whether the files are as they were when the policy was compiled.
    fn sources(&mut self, compiled: &Compiled) -> Branch {
        let sources = match compiled.sources() {
            Ok(sources) => sources,
            Err(why) => {
                self.wrong.push(why.to_string());
                return Branch::fact("sources", styled(ODD, "not readable"));
            }
        };
        let mut changed = Vec::new();
        for source in &sources {
            let path = Path::new(&source.path);
            match source::digest(path) {
                Ok(digest) if digest == source.sha256 => {}
                Ok(_) if !path.exists() => changed.push(format!("{} is gone", source.path)),
                Ok(_) => changed.push(format!("{} has changed", source.path)),
                Err(why) => changed.push(format!("{} is not readable: {why}", source.path)),
            }
        }
        self.policy["sources"] = json!({ "count": sources.len(), "changed": changed });
        let number = count(sources.len(), "file");
        if changed.is_empty() {
            return Branch::fact("sources", format!("{number}, all as compiled"));
        }
        let files = match changed.len() {
            1 => "1 source differs".into(),
            more => format!("{more} sources differ"),
        };
        self.wrong.push(format!("{files} from what was compiled: run peerkey apply"));
        let text = format!("{number}, {} not as compiled", changed.len());
        Branch::fact("sources", styled(ODD, text)).with_all(changed.into_iter().map(Branch::new))
    }

    fn openssl(&mut self, global: &Global) {
        let configuration = openssl_cnf::configuration();
        let loaded = openssl_cnf::loaded();
        let mut facts = vec![self.named(&configuration, global)];
        facts.push(match &loaded {
            Loaded::Yes(version) => {
                Branch::fact("loaded", styled(GOOD, format!("yes, peerkey {version}")))
            }
            Loaded::No => {
                self.wrong.push("OpenSSL programs do not load peerkey".into());
                Branch::fact("loaded", styled(ODD, "no, as openssl list -providers shows"))
            }
            Loaded::Broken(why) => {
                self.wrong.push(format!("OpenSSL cannot load peerkey: {why}"));
                Branch::fact("loaded", styled(ODD, why))
            }
            Loaded::Unknown(why) => {
                self.wrong.push(format!("nothing proves that OpenSSL loads peerkey: {why}"));
                Branch::fact("loaded", styled(ODD, format!("not known: {why}")))
            }
        });
        let by = match configuration.by_environment {
            true => " (named by OPENSSL_CONF; services read the system's)",
            false => "",
        };
        let title = format!("openssl {}{by}", configuration.path.display());
        self.sections.push(Branch::new(styled(BOLD, title)).with_all(facts));
        self.openssl["configuration"] = json!(configuration.path);
        self.openssl["by-environment"] = json!(configuration.by_environment);
        self.openssl["loaded"] = match &loaded {
            Loaded::Yes(_) => json!(true),
            Loaded::No | Loaded::Broken(_) => json!(false),
            Loaded::Unknown(_) => Value::Null,
        };
    }

    fn named(&mut self, configuration: &Configuration, global: &Global) -> Branch {
        let Some(named) = &configuration.named else {
            let text = match configuration.readable {
                true => "it does not name peerkey's module",
                false => "it is not readable",
            };
            return Branch::fact("provider", styled(ODD, text));
        };
        let module = Path::new(&named.module);
        if module.is_absolute() && !named.module.contains('$') && !module.exists() {
            // OpenSSL goes on without it, and says nothing.
            self.wrong.push(format!("the module {} does not exist", named.module));
        }
        let state = named.state_dir.as_deref().unwrap_or(USUAL_STATE_DIR);
        if Path::new(state) != global.state_dir {
            self.wrong.push(format!(
                "OpenSSL programs read the policy in {state}, and this is about {}",
                global.state_dir.display()
            ));
        }
        let on_error = named.on_error.as_deref().unwrap_or("reject");
        self.openssl["module"] = json!(named.module);
        self.openssl["state-dir"] = json!(state);
        self.openssl["on-error"] = json!(on_error);
        Branch::fact("provider", &named.module)
            .with(Branch::fact("named at", format!("{}:{}", named.file.display(), named.line)))
            .with(Branch::fact("state-dir", state))
            .with(Branch::fact("on-error", on_error))
    }

    fn closing(&self) -> String {
        if self.wrong.is_empty() {
            return format!("\n{}\n", styled(GOOD, "all is well"));
        }
        let look = styled(render::ODD.bold(), "wants a look");
        let lines: Vec<_> = self.wrong.iter().map(|wrong| format!("{look}: {wrong}\n")).collect();
        format!("\n{}", lines.concat())
    }

    fn document(&self) -> Value {
        json!({
            "version": json::VERSION,
            "fine": self.wrong.is_empty(),
            "wrong": self.wrong,
            "policy": self.policy,
            "openssl": self.openssl,
        })
    }
}

/// What it has programs do.
fn effect(compiled: &Compiled) -> String {
    if compiled.is_transparent() {
        return "none: each program's own verification decides".into();
    }
    let meta = compiled.meta();
    let some = |number: u64, noun| {
        (number > 0).then(|| count(number.try_into().unwrap_or(usize::MAX), noun))
    };
    let parts = [
        some(meta.rules, "rule"),
        some(meta.constraints, "constraint"),
        some(meta.denials, "denial"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "the default only".into() } else { parts.join(", ") }
}

/// Why programs would refuse to read it: they take only what root or they themselves own, and what
/// nobody else may write.
fn refusals(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let shown = path.display();
    if meta.mode() & 0o022 != 0 {
        return Some(format!(
            "others may write {shown}, so no program takes it: chmod go-w {shown}"
        ));
    }
    if !matches!(meta.uid(), 0 | 65_534) {
        let uid = meta.uid();
        return Some(format!("{shown} belongs to uid {uid}: other users' programs do not take it"));
    }
    None
}
