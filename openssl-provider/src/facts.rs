//! What a connection shows: whom the program expects, over what protocol, and with which evidence.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::{SystemTime, UNIX_EPOCH};

use peerkey_core::certificate::CertificateError;
use peerkey_core::crypto::Crypto;
use peerkey_core::key::Key;
use peerkey_core::peer::{Email, HostName, Name, canonical_address};
use peerkey_core::protocol::Protocol;
use peerkey_core::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role, Room};
use peerkey_core::record::Question;
use peerkey_core::verdict::Reason;

use crate::certified::Certified;
use crate::context::Context;
use crate::evp::HostCrypto;
use crate::hello::protocol_ids;
use crate::openssl::OpenSsl;
use crate::ssl::Ssl;
use peerkey_guest::policy::CannotDecide;

/// What one verification shows.
pub(crate) struct Facts<'a> {
    /// The connection, if there is one.
    pub(crate) ssl: Option<Ssl<'a>>,
    /// The leaf and what came with it, as the host has it.
    pub(crate) presented: Vec<Certified<'a>>,
    openssl: &'static OpenSsl,
    /// For each of the evidence's intermediates, its place in `presented`.
    places: Vec<usize>,
    /// The places of certificates that peerkey does not or cannot read, and so cannot hold to the policy.
    unreadable: Vec<usize>,
    unreadable_leaf: Option<CertificateError>,
    evidence: Evidence,
    /// Of a peer without a certificate.
    raw_public_key: Vec<u8>,
    role: Role,
    peer: Peer,
    locator: Option<IpAddr>,
    protocol: Fact<Protocol>,
    port: Option<u16>,
    time: i64,
}

impl<'a> Facts<'a> {
    /// Reads them. Nothing is decided, and nothing is changed.
    /// `has_paths` says whether the policy may look for a path through them.
    pub(crate) fn of(context: Context<'a>, has_paths: bool) -> Result<Self, CannotDecide> {
        let ssl = context.ssl().ok_or("the verification belongs to no connection")?;
        let role = if ssl.is_server() { Role::Client } else { Role::Server };
        let mut facts = Self::read(context, role, peer(context, Some(ssl), role)?, has_paths)?;
        facts.ssl = Some(ssl);
        facts.read_connection(ssl);
        Ok(facts)
    }

    /// Reads what a verification shows that belongs to no handshake, or to one whose program verifies
    /// by a callback of its own.
    pub(crate) fn at_store(context: Context<'a>, is_smime: bool) -> Result<Self, CannotDecide> {
        if context.known_ssl().is_some() {
            return Self::of(context, false);
        }
        // Whom the program expects counts; what is claimed is claimed by whoever comes.
        let peer = peer(context, None, Role::Server)?;
        let mut facts = Self::read(context, Role::Client, peer, false)?;
        facts.protocol = is_smime.then(|| Protocol::parse("smime")).flatten().into();
        Ok(facts)
    }

    fn read(
        context: Context<'a>,
        role: Role,
        peer: Peer,
        has_paths: bool,
    ) -> Result<Self, CannotDecide> {
        let leaf = context.leaf();
        let for_path = has_paths.then_some(role);
        let read = |leaf: Certified<'_>| leaf.read_as(leaf.der(), for_path, true);
        let (certificate, unreadable_leaf) = match leaf.map(read).transpose() {
            Ok(certificate) => (certificate, None),
            Err(error) => (None, Some(error)),
        };
        let raw_public_key = match leaf {
            Some(_) => Vec::new(),
            None => context.raw_public_key().ok_or("the peer presented no key")?,
        };
        let mut facts = Self {
            ssl: None,
            presented: leaf.into_iter().collect(),
            openssl: context.openssl(),
            places: Vec::new(),
            unreadable: Vec::new(),
            unreadable_leaf,
            evidence: Evidence { leaf: certificate, intermediates: Vec::new() },
            raw_public_key,
            role,
            peer,
            locator: None,
            protocol: Fact::Unknown,
            port: None,
            time: context.parameters().check_time().unwrap_or_else(now),
        };
        facts.read_intermediates(context, for_path);
        Ok(facts)
    }

    fn read_intermediates(&mut self, context: Context<'a>, for_path: Option<Role>) {
        let mut room = Room::default();
        let leaf = self.presented.first().map(|leaf| leaf.raw());
        // The peer's own certificate is among them, and need not be encoded again to see that.
        for certified in context.untrusted().into_iter().filter(|one| Some(one.raw()) != leaf) {
            let der = certified.der();
            if self.evidence.leaf.as_ref().is_some_and(|leaf| leaf.der() == der) {
                continue;
            }
            if !room.take(der.len()) {
                self.unreadable.push(self.presented.len());
                self.presented.push(certified);
                continue;
            }
            let read = certified.read_as(der, for_path, false);
            let place = self.presented.len();
            self.presented.push(certified);
            match read {
                Ok(certificate) => {
                    self.places.push(place);
                    self.evidence.intermediates.push(certificate);
                }
                Err(_) => self.unreadable.push(place),
            }
        }
    }

    fn read_connection(&mut self, ssl: Ssl<'_>) {
        let socket = ssl.socket();
        let selected = ssl.selected_alpn();
        let (by_alpn, port) = match self.role {
            // What a server offered to speak and the client chose; and the port that it listens on.
            Role::Client => {
                let local = socket.and_then(local_address);
                (selected.as_deref().and_then(Protocol::from_alpn), local)
            }
            Role::Server => {
                let remote = socket.and_then(remote_address);
                self.port = remote.map(|remote| remote.port());
                self.locator = remote.map(|remote| canonical_address(remote.ip()));
                let offered = ssl.offered_alpn();
                let checked = self.openssl.checks_alpn();
                (protocol_by_alpn(offered.as_deref(), selected.as_deref(), checked), remote)
            }
        };
        let protocol = by_alpn.or_else(|| port.and_then(|a| Protocol::from_port(a.port())));
        self.protocol = protocol.into();
    }

    /// What came with the leaf and may be used: without the intermediates of these indices, and without
    /// what cannot be read. The leaf comes first.
    pub(crate) fn kept(&self, excluded: &[usize]) -> Vec<Certified<'a>> {
        let gone = |place: &usize| {
            self.unreadable.contains(place)
                || excluded.iter().any(|&index| self.places.get(index) == Some(place))
        };
        let kept = self.presented.iter().enumerate().filter(|(place, _)| !gone(place));
        kept.map(|(_, certified)| *certified).collect()
    }

    /// The service, as far as it is known.
    pub(crate) fn protocol(&self) -> &Fact<Protocol> {
        &self.protocol
    }

    /// The host's cryptography, with the keys that were presented. To be asked for before the question,
    /// which takes what was read of them.
    pub(crate) fn crypto(&self) -> HostCrypto<'a> {
        let leaf = self.evidence.leaf.as_ref().map(|leaf| (0, leaf));
        let others = self.places.iter().copied().zip(&self.evidence.intermediates);
        let presented = leaf.into_iter().chain(others);
        let presented = presented.filter_map(|(place, certificate)| {
            Some((*self.presented.get(place)?, certificate.clone()))
        });
        HostCrypto::new(self.openssl, presented.collect())
    }

    /// As much of a question as there is where they give none.
    pub(crate) fn question<'q>(&'q self, application: &'q Fact<String>) -> Question<'q> {
        let leaf = self.evidence.leaf.as_ref();
        Question {
            role: self.role,
            peer: &self.peer,
            names: leaf.map(|leaf| leaf.names().supported.as_slice()),
            locator: self.locator,
            protocol: self.protocol.known(),
            port: self.port,
            application: application.known().map(String::as_str),
            key: None,
        }
    }

    /// The facts as a question, which the evidence goes with; or why whatever the peer presented cannot
    /// be one. That is a refusal, and no failure of ours: a peer must not choose what follows on those.
    pub(crate) fn query(
        &mut self,
        application: &Fact<String>,
        crypto: &dyn Crypto,
    ) -> Result<Query, Reason> {
        if let Some(error) = &self.unreadable_leaf {
            return Err(Reason::UnusableCertificate(error.to_string()));
        }
        let key = match &self.evidence.leaf {
            Some(leaf) => leaf.key(crypto),
            None => Key::from_spki(&self.raw_public_key, crypto),
        };
        let key = key.map_err(Reason::UnusableKey)?;
        Ok(Query {
            role: self.role,
            peer: std::mem::replace(&mut self.peer, Peer::Claimed),
            locator: self.locator,
            protocol: self.protocol.clone(),
            port: self.port,
            application: application.clone(),
            key,
            evidence: std::mem::take(&mut self.evidence),
            time: self.time,
        })
    }
}

/// The service that a client means by its ALPN. What the server selected counts only if the client
/// offered it, or the server would choose the rule: we look ourselves where the offer was seen, or
/// OpenSSL did (`checked`).
pub(crate) fn protocol_by_alpn(
    offered: Option<&[u8]>,
    selected: Option<&[u8]>,
    checked: bool,
) -> Option<Protocol> {
    let ids = || protocol_ids(offered.unwrap_or_default());
    if let Some(selected) = selected {
        let was_offered = match offered {
            Some(_) => ids().any(|id| id == selected),
            None => checked,
        };
        if let Some(protocol) = Protocol::from_alpn(selected).filter(|_| was_offered) {
            return Some(protocol);
        }
    }
    let mut services = ids().map(Protocol::from_alpn);
    let first = services.next()??;
    services.all(|service| service.as_ref() == Some(&first)).then_some(first)
}

/// Whom the program takes the peer to be.
fn peer(context: Context<'_>, ssl: Option<Ssl<'_>>, role: Role) -> Result<Peer, CannotDecide> {
    if role == Role::Client {
        return Ok(Peer::Claimed);
    }
    let parameters = context.parameters();
    let mut hosts = parameters.hosts();
    let (address, email) = (parameters.address(), parameters.email());
    if hosts.is_empty() && address.is_none() && email.is_none() {
        hosts.extend(ssl.and_then(Ssl::server_name));
    }
    expected(&hosts, address.as_deref(), email.as_deref())
}

/// An expected name that cannot be compared must not fall back to what the certificate claims.
fn expected(
    hosts: &[Vec<u8>],
    address: Option<&[u8]>,
    email: Option<&[u8]>,
) -> Result<Peer, CannotDecide> {
    let mut peer = ExpectedPeer::default();
    let mut addresses = Vec::new();
    for bytes in hosts {
        match host(bytes) {
            Some(Host::Name(host)) => peer.hosts.push(host),
            Some(Host::Address(address)) => addresses.push(address),
            None => return Err(unusable(bytes)),
        }
    }
    if let Some(bytes) = address {
        match host(bytes) {
            Some(Host::Address(address)) => addresses.push(address),
            _ => return Err(unusable(bytes)),
        }
    }
    addresses.dedup();
    match addresses.as_slice() {
        [] => {}
        [one] => peer.address = Some(*one),
        _ => return Err("the program expects several addresses at once".into()),
    }
    if let Some(bytes) = email {
        let email = std::str::from_utf8(bytes).ok().and_then(Email::parse);
        peer.email = Some(email.ok_or_else(|| unusable(bytes))?);
    }
    Ok(if peer == ExpectedPeer::default() { Peer::Claimed } else { Peer::Expected(peer) })
}

enum Host {
    Name(ExpectedHost),
    Address(IpAddr),
}

fn host(bytes: &[u8]) -> Option<Host> {
    let text = std::str::from_utf8(bytes).ok()?;
    if let Some(domain) = text.strip_prefix('.') {
        return HostName::parse(domain).map(|domain| Host::Name(ExpectedHost::Below(domain)));
    }
    match Name::parse(text)? {
        Name::Host(host) => Some(Host::Name(ExpectedHost::Exact(host))),
        Name::Address(address) => Some(Host::Address(address)),
        Name::Email(_) => None,
    }
}

fn unusable(name: &[u8]) -> CannotDecide {
    let name = String::from_utf8_lossy(name);
    format!("the program expects \"{name}\", which is no name that can be compared").into()
}

/// Seconds since 1970, now.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The other end of an internet socket.
pub(crate) fn remote_address(socket: RawFd) -> Option<SocketAddr> {
    address_by(socket, libc::getpeername)
}

/// This end of an internet socket.
pub(crate) fn local_address(socket: RawFd) -> Option<SocketAddr> {
    address_by(socket, libc::getsockname)
}

type GetName =
    unsafe extern "C" fn(RawFd, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// An address of an internet socket; None for sockets of other kinds.
fn address_by(socket: RawFd, get_name: GetName) -> Option<SocketAddr> {
    // SAFETY: a plain structure, for which zeros are a value.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let place: *mut libc::sockaddr_storage = &raw mut storage;
    // SAFETY: room of this length; a number that is no socket gives an error.
    if unsafe { get_name(socket, place.cast(), &raw mut length) } != 0 {
        return None;
    }
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure it is.
            let v4 = unsafe { *place.cast::<libc::sockaddr_in>() };
            let address = IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(address, u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says which structure it is.
            let v6 = unsafe { *place.cast::<libc::sockaddr_in6>() };
            Some(SocketAddr::new(IpAddr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    fn expect(hosts: &[&str], address: Option<&str>) -> Result<Peer, CannotDecide> {
        let hosts: Vec<_> = hosts.iter().map(|host| host.as_bytes().to_vec()).collect();
        expected(&hosts, address.map(str::as_bytes), None)
    }

    #[test]
    fn expected_names_are_read_as_openssl_means_them() {
        let Peer::Expected(peer) = expect(&["Www.Example", ".example.org"], None).unwrap() else {
            panic!("expected")
        };
        assert_eq!(peer.hosts[0], ExpectedHost::Exact(HostName::parse("www.example").unwrap()));
        assert_eq!(peer.hosts[1], ExpectedHost::Below(HostName::parse("example.org").unwrap()));
        // X509_VERIFY_PARAM_get1_ip_asc writes IPv6 in full and in capitals.
        for (hosts, address) in [(&["2001:db8::1"][..], None), (&[], Some("2001:DB8:0:0:0:0:0:1"))]
        {
            let Peer::Expected(peer) = expect(hosts, address).unwrap() else { panic!("expected") };
            assert_eq!(peer.address, Some("2001:db8::1".parse().unwrap()));
        }
        assert_eq!(expect(&[], None).unwrap(), Peer::Claimed);
    }

    #[test]
    fn a_name_that_cannot_be_compared_is_no_claim() {
        for hosts in [&["a b"][..], &["a@b.example"], &["1.2.3"], &["10.0.0.1", "10.0.0.2"], &[""]]
        {
            assert!(expect(hosts, None).is_err(), "{hosts:?}");
        }
        assert!(expected(&[b"\xff.example".to_vec()], None, None).is_err());
        assert!(expected(&[], None, Some(b"nobody")).is_err());
        assert!(expect(&["10.0.0.1"], Some("10.0.0.2")).is_err());
    }

    #[test]
    fn the_server_cannot_choose_the_protocol() {
        let by = |offered: &'static [u8], selected: Option<&[u8]>| {
            protocol_by_alpn((!offered.is_empty()).then_some(offered), selected, false)
        };
        let web = b"\x02h2\x08http/1.1";
        let https = Protocol::parse("https");
        assert_eq!(by(web, Some(b"h2")), https);
        assert_eq!(by(web, None), https);
        assert_eq!(by(web, Some(b"postgresql")), https);
        assert_eq!(by(b"", Some(b"postgresql")), None);
        assert_eq!(by(b"\x02h2\x04imap", None), None);
        assert_eq!(by(b"\x02h2\x04imap", Some(b"imap")), Protocol::parse("imap"));
        assert_eq!(by(b"\x02h2\x03foo", Some(b"foo")), None);
        assert_eq!(protocol_by_alpn(None, Some(b"h2"), true), https);
    }

    #[test]
    fn sockets_show_both_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(remote_address(client.as_raw_fd()), Some(address));
        assert_eq!(local_address(listener.as_raw_fd()), Some(address));
        assert_eq!(remote_address(listener.as_raw_fd()), None);
        assert_eq!(remote_address(-1), None);
    }
}
