//! From the command line of `check` to a question; with `--connect`, by way of a server.

use std::net::IpAddr;
use std::time::Duration;

use peerkey_core::peer::{HostName, Name, canonical_address};
use peerkey_core::protocol::Protocol;
use peerkey_core::query::{ExpectedHost, Fact, Peer, Query, Role};
use serde_json::{Value, json};

use crate::args::{CheckArgs, Side};
use crate::clock;
use crate::connect::{self, Call, Target};
use crate::crypto::System;
use crate::inquiry::is_mail;
use crate::question::{self, NoQuestion, Presented};

/// A question, and how it was come by.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: Query,
    /// What is odd about it, and what was left out.
    pub(super) remarks: Vec<String>,
    pub(super) connection: Option<Connection>,
}

/// The connection on which the key was shown.
#[derive(Debug)]
pub(super) struct Connection {
    target: Target,
    shown: connect::Presented,
}

/// Asks what the command line says.
pub(super) fn asked(args: &CheckArgs, crypto: &System) -> Result<Asked, NoQuestion> {
    let role = match args.role {
        Side::Server => Role::Server,
        Side::Client => Role::Client,
    };
    if role == Role::Client && args.connect.is_some() {
        let why = "--connect reaches servers; for a client's certificate use --chain";
        return Err(NoQuestion::Because(why.into()));
    }
    let protocol = question::protocol(&args.protocol)?;
    let (peer, mut locator) = subject(args, role)?;
    let (presented, connection) = present(args, &protocol, &peer, crypto)?;
    if let Some(connection) = &connection {
        locator = Some(canonical_address(connection.shown.address));
    }
    let query = Query {
        role,
        peer,
        locator,
        protocol,
        port: connection.as_ref().map(|connection| connection.target.port),
        application: Fact::from(args.application.clone()),
        key: presented.key,
        evidence: presented.evidence,
        time: args.time.unwrap_or_else(clock::now),
    };
    let odd = strange(&query).into_iter().chain(mail(&query));
    let remarks = odd.chain(presented.remarks).collect();
    Ok(Asked { query, remarks, connection })
}

/// A slip such as `http` is a name that no rule has.
fn strange(query: &Query) -> Option<String> {
    let protocol = query.protocol.known().filter(|protocol| !protocol.is_well_known())?;
    Some(format!("\"{protocol}\" is no service that peerkey knows: is that what policies call it?"))
}

/// Rules for mail are about programs.
fn mail(query: &Query) -> Option<String> {
    let misses = is_mail(query) && query.application == Fact::Unknown;
    misses
        .then(|| "rules for smime name programs: say which one verifies, with --application".into())
}

/// With `--claimed --connect`, PEER is where to connect to.
fn subject(args: &CheckArgs, role: Role) -> Result<(Peer, Option<IpAddr>), NoQuestion> {
    let is_target = args.claimed && args.connect.is_some();
    question::subject(args.peer.as_deref().filter(|_| !is_target), args.claimed, role)
}

fn present(
    args: &CheckArgs,
    protocol: &Fact<Protocol>,
    peer: &Peer,
    crypto: &System,
) -> Result<(Presented, Option<Connection>), NoQuestion> {
    if let Some(file) = &args.chain {
        return Ok((Presented::chain_file(file, crypto)?, None));
    }
    if let Some(file) = &args.key {
        return Ok((Presented::key_file(file, crypto)?, None));
    }
    let target = args.connect.as_deref().unwrap_or_default();
    let target =
        Target::new(target, args.peer.as_deref(), protocol.known()).map_err(NoQuestion::Because)?;
    let name = server_name(peer, &target);
    let timeout = Duration::from_secs(args.timeout);
    let call = Call { target: &target, protocol: protocol.known(), name: name.as_ref(), timeout };
    let shown = connect::call(&call).map_err(|why| NoQuestion::Because(why.to_string()))?;
    let presented = Presented::chain(&shown.chain, crypto)?;
    Ok((presented, Some(Connection { target, shown })))
}

/// What a program asks for by SNI: whom it expects, else the name by which it connects.
fn server_name(peer: &Peer, target: &Target) -> Option<HostName> {
    if let Peer::Expected(expected) = peer
        && let Some(ExpectedHost::Exact(host)) = expected.hosts.first()
    {
        return Some(host.clone());
    }
    match Name::parse(&target.host) {
        Some(Name::Host(host)) => Some(host),
        _ => None,
    }
}

impl Connection {
    /// For people.
    pub(super) fn in_words(&self) -> String {
        let Self { target, shown } = self;
        let mut words = format!("{target}");
        if target.host.parse::<IpAddr>().is_err() {
            words.push_str(&format!(" ({})", shown.address));
        }
        words.push_str(&format!(", {}", shown.version));
        if let Some(protocol) = shown.starttls {
            words.push_str(&format!(" by STARTTLS in {protocol}"));
        }
        if let Some(alpn) = &shown.alpn {
            words.push_str(&format!(", ALPN {alpn}"));
        }
        words
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        json!({
            "target": self.target.to_string(),
            "address": self.shown.address.to_string(),
            "tls": self.shown.version,
            "starttls": self.shown.starttls,
            "alpn": self.shown.alpn,
            "certificates": self.shown.chain.len(),
        })
    }
}
