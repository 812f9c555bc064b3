//! A policy, and everyone who verifies by it.

use std::net::SocketAddr;

use openssl::x509::X509;
use peerkey_tests::firefox::{Firefox, Judged, Profile};
use peerkey_tests::nss::{Nss, Usage, VERIFIERS, Verifier, sent};
use peerkey_tests::pki::Issued;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::Site;

pub(crate) const UNKNOWN_ISSUER: &str = "SEC_ERROR_UNKNOWN_ISSUER";
pub(crate) const UNTRUSTED_ISSUER: &str = "SEC_ERROR_UNTRUSTED_ISSUER";
pub(crate) const UNTRUSTED_CERT: &str = "SEC_ERROR_UNTRUSTED_CERT";
pub(crate) const OUT_OF_SCOPE: &str = "SEC_ERROR_CERT_NOT_IN_NAME_SPACE";

/// Files for a policy, and the policy.
pub(crate) fn site(files: &[(&str, String)], policy: &str) -> Site {
    let site = Site::new();
    for (name, content) in files {
        site.write(&format!("config/anchors/{name}.pem"), content);
    }
    site.apply(&format!("version = 1\n{policy}\n"));
    site
}

/// How a verification has to come out: None for accepted, or one of these errors.
pub(crate) type Must<'a> = Option<&'a [&'static str]>;

/// A profile with the module, which the tools use too.
pub(crate) struct Stage<'a> {
    pub(crate) profile: Profile<'a>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(site: &'a Site) -> Self {
        Self { profile: Profile::with_module(site, "profile") }
    }

    /// Holds every verifier of NSS's to it.
    #[track_caller]
    pub(crate) fn tools(&self, what: &str, usage: Usage, chain: &[X509], must: Must<'_>) {
        self.tools_at(what, usage, chain, None, must);
    }

    /// The same, at a time.
    #[track_caller]
    pub(crate) fn tools_at(
        &self,
        what: &str,
        usage: Usage,
        chain: &[X509],
        at: Option<&str>,
        must: Must<'_>,
    ) {
        for verifier in VERIFIERS {
            let verdict = self.profile.database.verify(verifier, usage, chain, at);
            let as_it_must = match (must, verdict.error.as_deref()) {
                (None, error) => error.is_none(),
                // libpkix does not say why it refuses a leaf, and calls an issuer a certificate.
                (Some(_), Some("?")) if verifier == Verifier::Pkix => true,
                (Some([UNTRUSTED_ISSUER]), Some(UNTRUSTED_CERT)) if verifier == Verifier::Pkix => {
                    true
                }
                (Some(errors), error) => error.is_some_and(|error| errors.contains(&error)),
            };
            assert!(as_it_must, "{what}, {verifier:?}: must {must:?}: {}", verdict.said);
        }
    }

    /// Holds tstclnt, on either NSS, to connecting or not.
    #[track_caller]
    pub(crate) fn tstclnt(&self, what: &str, name: &str, address: SocketAddr, accepted: bool) {
        for nss in [Nss::Debian, Nss::Firefox] {
            let verdict = self.profile.database.visit(nss, name, address);
            assert_eq!(verdict.accepted(), accepted, "{what}, {nss:?}: {}", verdict.said);
        }
    }
}

/// A web server with this identity.
pub(crate) fn https(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).start()
}

/// The same, which sends its root too.
pub(crate) fn with_root(identity: &Issued, root: &Issued) -> Issued {
    let mut whole = identity.clone();
    whole.above.push(root.cert.clone());
    whole
}

/// Holds Firefox to what it must make of a server.
#[track_caller]
pub(crate) fn firefox(
    firefox: &mut Firefox,
    what: &str,
    name: &str,
    server: &Server,
    must: Must<'_>,
) -> Judged {
    let judged = firefox.visit(name, server.address());
    let as_it_must = match (must, judged.error.as_deref()) {
        (None, error) => error.is_none(),
        (Some(errors), error) => error.is_some_and(|error| errors.contains(&error)),
    };
    assert!(as_it_must, "{what}, Firefox: must {must:?}: {judged:?}");
    judged
}

/// Holds the tools, tstclnt and Firefox to one verdict on a server.
#[track_caller]
pub(crate) fn everyone(
    stage: &Stage<'_>,
    browser: &mut Firefox,
    what: &str,
    name: &str,
    identity: &Issued,
    must: Must<'_>,
) {
    stage.tools(what, Usage::Server, &sent(identity), must);
    let server = https(identity);
    stage.tstclnt(what, name, server.address(), must.is_none());
    let judged = firefox(browser, what, name, &server, must);
    // What no path leads to is an error that Firefox's users may pass over, as ever.
    let ours = [UNTRUSTED_CERT, UNTRUSTED_ISSUER, OUT_OF_SCOPE];
    let is_ours = judged.error.as_deref().is_some_and(|error| ours.contains(&error));
    assert!(!(is_ours && judged.overridable), "{what}: Firefox's user may go on: {judged:?}");
}
