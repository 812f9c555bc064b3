//! Writing authorities, what they say, and rules.

use rusqlite::ToSql;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::{Protocols, Writer};
use crate::certificate::Purposes;
use crate::pattern::Pattern;
use crate::policy::{Anchor, AuthorityKind, Mode, Pin, Policy, Profile, Rule, Tofu};
use crate::query::Role;
use crate::store::entry::{Kind, said_by, written};
use crate::store::schema::{EVERY_PROTOCOL, join};

/// Of two bindings that differ in `until` only, the longer holds.
const BIND: &str = "INSERT INTO entry (kind, key, sub, a, b) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET b = excluded.b, a =
        CASE WHEN a IS NULL OR excluded.a IS NULL THEN NULL ELSE max(a, excluded.a) END";

impl Writer<'_> {
    pub(super) fn authorities(&self, policy: &Policy) -> rusqlite::Result<()> {
        for (id, authority) in policy.authorities.iter().enumerate() {
            let (peers, protocols) = self.scope(&authority.scope);
            let (kind, profile) = (kind(&authority.kind), profile(&authority.kind));
            let (until, place) = (&authority.scope.until, authority.place.to_string());
            let values: [&dyn ToSql; 7] =
                [&authority.name, &kind, &peers, &protocols, until, &place, &profile];
            self.put(Kind::Authority, &id, &0, &values)?;
            let [anchors, crls, bindings] = Protocols::holdings(&authority.kind);
            self.put(Kind::Holdings, &id, &0, &[&anchors, &crls, &bindings])?;
            if let AuthorityKind::Tofu(tofu) = &authority.kind {
                self.tofu(id, tofu)?;
            }
        }
        Ok(())
    }

    fn tofu(&self, authority: usize, tofu: &Tofu) -> rusqlite::Result<()> {
        let rotate_with: Vec<_> = tofu.rotate_with.iter().map(usize::to_string).collect();
        let values: [&dyn ToSql; 7] = [
            &tofu.holds,
            &tofu.users,
            &rotate_with.join(","),
            &tofu.keys_per_peer,
            &tofu.forget_after,
            &tofu.min_age,
            &tofu.min_sightings,
        ];
        self.put(Kind::Tofu, &authority, &0, &values)
    }

    /// Anchors, CRLs and bindings.
    pub(super) fn evidence(&self, policy: &Policy) -> rusqlite::Result<()> {
        let kinds = policy.authorities.iter().map(|authority| &authority.kind).enumerate();
        for (id, kind) in kinds.clone() {
            if let AuthorityKind::X509 { anchors, .. } = kind {
                self.anchors(id, anchors)?;
            }
        }
        for (id, kind) in kinds.clone() {
            if let AuthorityKind::X509 { crls, .. } = kind {
                self.crls(id, crls)?;
            }
        }
        for (id, kind) in kinds {
            if let AuthorityKind::Pin { pins } = kind {
                self.pins(id, pins)?;
            }
        }
        Ok(())
    }

    fn anchors(&self, authority: usize, anchors: &[Anchor]) -> rusqlite::Result<()> {
        let mut anchors: Vec<&Anchor> = anchors.iter().collect();
        anchors.sort_by_key(|anchor| anchor.certificate.subject());
        for (number, anchor) in anchors.into_iter().enumerate() {
            let certificate = &anchor.certificate;
            let key = said_by(authority, certificate.subject());
            let values: [&dyn ToSql; 2] = [&bits(anchor.purposes), &self.bulk(certificate.der())?];
            self.put(Kind::Anchor, &key, &number, &values)?;
        }
        Ok(())
    }

    fn crls(&self, authority: usize, crls: &[Vec<u8>]) -> rusqlite::Result<()> {
        for (number, der) in crls.iter().enumerate() {
            // The sources were validated: one that does not parse here cannot occur, and revokes nothing.
            let Ok((_, crl)) = CertificateRevocationList::from_der(der) else { continue };
            let key = said_by(authority, crl.issuer().as_raw());
            self.put(Kind::Crl, &key, &number, &[&self.bulk(der)?])?;
        }
        Ok(())
    }

    fn pins(&self, authority: usize, pins: &[Pin]) -> rusqlite::Result<()> {
        let mut pins: Vec<_> = pins.iter().map(|pin| (pin.peer.to_string(), pin)).collect();
        pins.sort_by(|one, other| one.0.cmp(&other.0));
        for (peer, pin) in pins {
            let protocols = self.protocols.of_pin(pin);
            let (key, place) = (said_by(authority, peer.as_bytes()), pin.place.to_string());
            for bound in &pin.keys {
                for protocol in &protocols {
                    let sub = [&bound.0, protocol.as_bytes()].concat();
                    self.put_by(BIND, Kind::Binding, &key, &sub, &[&pin.until, &place])?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn rules(&self, policy: &Policy) -> rusqlite::Result<()> {
        policy.rules.iter().enumerate().try_for_each(|(id, rule)| self.rule(id, rule))
    }

    fn rule(&self, id: usize, rule: &Rule) -> rusqlite::Result<()> {
        let protocols = self.protocols.meant(rule.protocols.as_ref());
        let values: [&dyn ToSql; 8] = [
            &rule.place.to_string(),
            &join(rule.peers.as_ref()),
            &join(protocols.as_ref()),
            &join(rule.applications.as_ref()),
            &rule.role.map(Role::as_str),
            &rule.until,
            &(rule.mode == Some(Mode::Monitor)),
            &rule.accept.encode(),
        ];
        self.put(Kind::Rule, &id, &0, &values)?;
        for path in rule.applications.iter().flatten() {
            self.put(Kind::Application, &"", path, &[])?;
        }
        let protocols = protocols.unwrap_or_else(|| vec![EVERY_PROTOCOL.to_owned()]);
        for protocol in &protocols {
            self.put(Kind::Over, protocol, &id, &[])?;
        }
        for pattern in rule.peers.as_ref().unwrap_or(&vec![Pattern::Any]) {
            self.child(pattern)?;
            for protocol in &protocols {
                let key = written(&pattern.to_string(), protocol);
                self.put(Kind::Match, &key, &id, &[protocol])?;
            }
        }
        Ok(())
    }

    fn child(&self, pattern: &Pattern) -> rusqlite::Result<()> {
        let (Pattern::Host(host) | Pattern::Domain(host)) = pattern else { return Ok(()) };
        let Some(domain) = host.parent() else { return Ok(()) };
        self.put(Kind::Child, &domain.as_str(), &host.as_str(), &[])
    }
}

fn kind(kind: &AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::Application => "application",
        AuthorityKind::X509 { .. } => "x509",
        AuthorityKind::Pin { .. } => "pin",
        AuthorityKind::Tofu(_) => "tofu",
    }
}

fn profile(kind: &AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::X509 { profile: Profile::Cabf, .. } => "cabf",
        _ => "rfc5280",
    }
}

fn bits(purposes: Purposes) -> u8 {
    u8::from(purposes.server) | u8::from(purposes.client) << 1 | u8::from(purposes.email) << 2
}
