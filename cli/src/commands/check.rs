//! `check`: asks the policy about one peer, and explains the answer.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use peerkey_core::peer::{HostName, Name, canonical_address};
use peerkey_core::query::{Fact, Peer, Query, Role};
use serde_json::{Value, json};

use super::{FINE, NO, NO_ANSWER, no_result};
use crate::args::{CheckArgs, Global, Side, Stated};
use crate::connect::{self, Call, Target};
use crate::crypto::System;
use crate::inquiry::{self, Answer, NoAnswer, NoTrial, Program};
use crate::question::{self, Presented};
use crate::render::diagnostics::{self, Severity};
use crate::render::{explain, json};
use crate::screen::Screen;
use crate::{clock, native};

/// Runs the command.
pub fn run(global: &Global, args: &CheckArgs, screen: &Screen) -> io::Result<u8> {
    let crypto = System::new();
    let checked = match check(global, args, screen, &crypto) {
        Ok(checked) => checked,
        Err(why) => return no_result(screen, args.json, why, NO_ANSWER),
    };
    let text = match args.json {
        true => json::text(&checked.document()),
        false => explain::answer(&checked.explained(), screen.lines),
    };
    screen.print(&text)?;
    Ok(if checked.answer.verdict.is_accept() { FINE } else { NO })
}

/// A question with its answer.
struct Checked {
    query: Query,
    notes: Vec<String>,
    connection: Option<Connection>,
    answer: Answer,
    /// Who said what the program itself says.
    by: Option<String>,
    digest: String,
}

/// How the key was come by.
struct Connection {
    target: Target,
    presented: connect::Presented,
}

fn check(
    global: &Global,
    args: &CheckArgs,
    screen: &Screen,
    crypto: &System,
) -> Result<Checked, String> {
    let (query, notes, connection) = asked(args, crypto).map_err(|why| why.to_string())?;
    let trial;
    let in_force;
    let policy = match &args.policy {
        Some(folder) => {
            trial = inquiry::compile(folder, crypto, clock::now()).map_err(|why| match why {
                NoTrial::Failed(why) => why,
                NoTrial::Sources(errors) => {
                    screen.complain(&diagnostics::all(Severity::Error, &errors));
                    format!("the sources in {} are no policy", folder.display())
                }
            })?;
            &trial.compiled
        }
        None => {
            in_force = open(global)?;
            &in_force
        }
    };
    let (program, by) = program(args);
    let answer = inquiry::ask(policy, &query, &program, crypto).map_err(|why| match why {
        NoAnswer::Store(error) => error.to_string(),
        NoAnswer::OpenSsl(error) => format!("OpenSSL failed: {error}"),
        NoAnswer::Unstated => "the answer hangs on the program's own verification".into(),
    })?;
    let digest = policy.meta().digest.clone();
    Ok(Checked { query, notes, connection, answer, by: Some(by), digest })
}

fn open(global: &Global) -> Result<peerkey_core::store::Compiled, String> {
    let path = inquiry::in_force(&global.state_dir);
    if !path.exists() {
        return Err(format!(
            "no policy is in force: there is no {}; run peerkey apply, or ask the sources with \
             --policy {}",
            path.display(),
            global.config_dir.display()
        ));
    }
    inquiry::open(&path).map_err(|why| why.to_string())
}

fn program(args: &CheckArgs) -> (Program, String) {
    use peerkey_core::decide::{Application, Fault};
    let stated = |application| (Program::Stated(application), "stated on the command line".into());
    match args.application_verdict {
        Some(Stated::Accept) => stated(Application::Accepts),
        Some(Stated::Refuse) => stated(inquiry::refusal(vec![Fault::NoTrustedPath])),
        None => {
            let by = format!(
                "asked of {} with {}; a program with settings of its own may say otherwise",
                openssl::version::version().split(' ').take(2).collect::<Vec<_>>().join(" "),
                native::anchors_in_words()
            );
            (Program::OpenSsl, by)
        }
    }
}

type Asked = (Query, Vec<String>, Option<Connection>);

fn asked(args: &CheckArgs, crypto: &System) -> Result<Asked, String> {
    let role = match args.role {
        Side::Server => Role::Server,
        Side::Client => Role::Client,
    };
    if role == Role::Client && args.connect.is_some() {
        return Err("--connect reaches servers; for a client's certificate use --chain".into());
    }
    let protocol = question::protocol(&args.protocol).map_err(|why| why.to_string())?;
    let (peer, mut locator) = subject(args, role)?;
    let (presented, connection) = present(args, &protocol, &peer, crypto)?;
    if let Some(connection) = &connection {
        locator = Some(canonical_address(connection.presented.address));
    }
    let query = Query {
        role,
        peer,
        locator,
        protocol,
        application: Fact::from(args.application.clone()),
        key: presented.key,
        evidence: presented.evidence,
        time: args.time.unwrap_or_else(clock::now),
    };
    Ok((query, presented.notes, connection))
}

/// With `--claimed --connect`, a name is where to connect to.
fn subject(args: &CheckArgs, role: Role) -> Result<(Peer, Option<IpAddr>), String> {
    let target_only = args.claimed && args.connect.is_some();
    let text = args.peer.as_deref().filter(|_| !target_only);
    question::subject(text, args.claimed, role).map_err(|why| why.to_string())
}

fn present(
    args: &CheckArgs,
    protocol: &Fact<peerkey_core::protocol::Protocol>,
    peer: &Peer,
    crypto: &System,
) -> Result<(Presented, Option<Connection>), String> {
    if let Some(file) = &args.chain {
        let presented = Presented::chain_file(file, crypto).map_err(|why| why.to_string())?;
        return Ok((presented, None));
    }
    if let Some(file) = &args.key {
        let presented = Presented::key_file(file, crypto).map_err(|why| why.to_string())?;
        return Ok((presented, None));
    }
    let target = args.connect.as_deref().unwrap_or_default();
    let target = Target::new(target, args.peer.as_deref(), protocol.known())?;
    let name = server_name(peer, &target);
    let timeout = Duration::from_secs(args.timeout);
    let call = Call { target: &target, protocol: protocol.known(), name: name.as_ref(), timeout };
    let shown = connect::call(&call).map_err(|why| why.to_string())?;
    let presented = Presented::chain(&shown.chain, crypto).map_err(|why| why.to_string())?;
    Ok((presented, Some(Connection { target, presented: shown })))
}

/// What a program asks for by SNI: whom it expects, else the name by which it connects.
fn server_name(peer: &Peer, target: &Target) -> Option<HostName> {
    use peerkey_core::query::ExpectedHost::Exact;
    if let Peer::Expected(expected) = peer
        && let Some(Exact(host)) = expected.hosts.first()
    {
        return Some(host.clone());
    }
    match Name::parse(&target.host) {
        Some(Name::Host(host)) => Some(host),
        _ => None,
    }
}

impl Checked {
    fn explained(&self) -> explain::Explained<'_> {
        explain::Explained {
            query: &self.query,
            notes: &self.notes,
            connection: self.connection.as_ref().map(Connection::in_words),
            answer: &self.answer,
            by: self.by.as_deref(),
        }
    }

    fn document(&self) -> Value {
        let mut document = json::verdict(&self.answer.verdict);
        document["version"] = json!(json::VERSION);
        document["query"] = json::query(&self.query);
        document["program"] = json::application(&self.answer.application, self.by.as_deref());
        document["connection"] = self.connection.as_ref().map_or(Value::Null, Connection::document);
        document["left-out"] = json!(self.notes);
        document["policy"] = json!({ "digest": self.digest });
        document
    }
}

impl Connection {
    fn in_words(&self) -> String {
        let Self { target, presented } = self;
        let mut words = format!("{target}");
        if target.host.parse::<IpAddr>().is_err() {
            words.push_str(&format!(" ({})", presented.address));
        }
        words.push_str(&format!(", {}", presented.version));
        if let Some(protocol) = presented.starttls {
            words.push_str(&format!(" by STARTTLS in {protocol}"));
        }
        if let Some(alpn) = &presented.alpn {
            words.push_str(&format!(", ALPN {alpn}"));
        }
        words
    }

    fn document(&self) -> Value {
        json!({
            "target": self.target.to_string(),
            "address": self.presented.address.to_string(),
            "tls": self.presented.version,
            "starttls": self.presented.starttls,
            "alpn": self.presented.alpn,
            "certificates": self.presented.chain.len(),
        })
    }
}
