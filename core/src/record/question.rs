//! What was asked, as far as a line says it.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use data_encoding::BASE64;

use super::line::Object;
use super::members::Detail;
use crate::certificate::CertificateName;
use crate::key::Key;
use crate::protocol::Protocol;
use crate::query::{Peer, Query, Role};

/// A question, or as much of one as could be told before it failed.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The peer's side.
    pub role: Role,
    /// Whom the peer is taken to be.
    pub peer: &'a Peer,
    /// The names that its certificate claims; None where there is no certificate.
    pub names: Option<&'a [CertificateName]>,
    /// The address that the program is connected to.
    pub locator: Option<IpAddr>,
    /// Over what.
    pub protocol: Option<&'a Protocol>,
    /// The port that the program is connected to.
    pub port: Option<u16>,
    /// The path of the program's executable.
    pub application: Option<&'a str>,
    /// The key, if it could be read.
    pub key: Option<&'a Key>,
}

impl<'a> From<&'a Query> for Question<'a> {
    fn from(query: &'a Query) -> Self {
        let leaf = query.evidence.leaf.as_ref();
        Self {
            role: query.role,
            peer: &query.peer,
            names: leaf.map(|leaf| leaf.names().supported.as_slice()),
            locator: query.locator,
            protocol: query.protocol.known(),
            port: query.port,
            application: query.application.known().map(String::as_str),
            key: Some(&query.key),
        }
    }
}

impl Question<'_> {
    /// Whom it is about, for people.
    pub(super) fn peer(&self) -> String {
        let mut text = String::new();
        self.names(4, &mut |name| {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{name}");
        });
        match self.locator {
            Some(locator) if text.is_empty() => locator.to_string(),
            _ => text,
        }
    }

    /// Gives away the names, and no more than so many.
    fn names(&self, most: usize, give: &mut dyn FnMut(&dyn Display)) {
        match self.peer {
            Peer::Expected(expected) => {
                let hosts = expected.hosts.iter().map(|host| host as &dyn Display);
                let address = expected.address.iter().map(|address| address as &dyn Display);
                let email = expected.email.iter().map(|email| email as &dyn Display);
                hosts.chain(address).chain(email).take(most).for_each(give);
            }
            Peer::Claimed => {
                let names = self.names.unwrap_or_default().iter();
                names.take(most).for_each(|name| give(name));
            }
        }
    }

    pub(super) fn write(&self, object: &mut Object, detail: Detail) {
        object.text("role", self.role.as_str());
        let kind = if *self.peer == Peer::Claimed { "claimed" } else { "expected" };
        object.list(kind, |list| self.names(detail.names(), &mut |name| list.item_text(name)));
        if let Some(protocol) = self.protocol {
            object.text_within("protocol", protocol.as_str(), detail.text());
        }
        if let Some(locator) = self.locator {
            object.shown("address", &locator, usize::MAX);
        }
        if let Some(port) = self.port {
            object.number("port", port.into());
        }
        if let Some(application) = self.application {
            object.text_within("application", application, detail.text());
        }
        if let Some(key) = self.key {
            object.shown("key", &key.hash(), usize::MAX);
            // A certificate is kept beside the record; a key without one is nowhere else.
            if self.names.is_none() && key.spki().len() <= 4096 {
                object.text("spki", &BASE64.encode(key.spki()));
            }
        }
    }
}
