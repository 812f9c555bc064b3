//! What was asked, as far as a line says it.

use std::net::IpAddr;

use data_encoding::BASE64;

use super::Detail;
use super::line::Object;
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
        let names = self.shown_names(4);
        match self.locator {
            Some(locator) if names.is_empty() => locator.to_string(),
            _ => names.join(", "),
        }
    }

    fn shown_names(&self, most: usize) -> Vec<String> {
        match self.peer {
            Peer::Expected(expected) => {
                let hosts = expected.hosts.iter().map(ToString::to_string);
                let address = expected.address.map(|address| address.to_string());
                let email = expected.email.as_ref().map(ToString::to_string);
                hosts.chain(address).chain(email).take(most).collect()
            }
            Peer::Claimed => {
                let names = self.names.unwrap_or_default().iter();
                names.map(ToString::to_string).take(most).collect()
            }
        }
    }

    pub(super) fn write(&self, object: &mut Object, detail: Detail) {
        object.text("role", self.role.as_str());
        let kind = if *self.peer == Peer::Claimed { "claimed" } else { "expected" };
        object.texts(kind, self.shown_names(detail.names()).into_iter());
        if let Some(protocol) = self.protocol {
            object.text_within("protocol", protocol.as_str(), detail.text());
        }
        if let Some(locator) = self.locator {
            object.text("address", &locator.to_string());
        }
        if let Some(port) = self.port {
            object.number("port", port.into());
        }
        if let Some(application) = self.application {
            object.text_within("application", application, detail.text());
        }
        if let Some(key) = self.key {
            object.text("key", &key.hash().to_string());
            // A certificate is kept beside the record; a key without one is nowhere else.
            if self.names.is_none() && key.spki().len() <= 4096 {
                object.text("spki", &BASE64.encode(key.spki()));
            }
        }
    }
}
