//! What a program would say by itself: OpenSSL's own verification, with this system's anchors.

use std::fs;
use std::path::PathBuf;

use openssl::error::ErrorStack;
use openssl::ssl::{SslContext, SslMethod};
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509CheckFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext, X509VerifyResult};
use peerkey_core::certificate::Certificate;
use peerkey_core::decide::{Application, Decision, Fault};
use peerkey_core::query::{ExpectedHost, ExpectedPeer, Peer, Query, Role};
use peerkey_core::store::StoreError;
use peerkey_core::verdict::Reason;

use crate::inquiry::is_mail;
use crate::library::{self, Objection};

/// Why OpenSSL could not be asked.
#[derive(Debug)]
pub enum NativeError {
    /// It failed.
    OpenSsl(ErrorStack),
    /// The compiled policy failed.
    Store(StoreError),
}

impl From<ErrorStack> for NativeError {
    fn from(error: ErrorStack) -> Self {
        Self::OpenSsl(error)
    }
}

impl From<StoreError> for NativeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Asks OpenSSL as a program with the default anchors would. As in the provider, a chain through a CA
/// that the policy rules out is given up for another one, found without what is ruled out, and there
/// is no third try.
pub fn ask(decision: &Decision<'_>, query: &Query) -> Result<Application, NativeError> {
    library::start();
    let Some(leaf) = &query.evidence.leaf else {
        return Ok(Application::Refuses {
            faults: vec![Fault::NoTrustedPath],
            why: "there is no certificate, only a key".into(),
        });
    };
    let leaf = X509::from_der(leaf.der())?;
    let given = query.evidence.intermediates.iter().map(|c| X509::from_der(c.der()));
    let given: Vec<_> = given.collect::<Result<_, _>>()?;
    let (objections, chain) = verify(&leaf, &given, default_store(query)?, query)?;
    if !objections.is_empty() || !decision.consults_application() {
        return Ok(answer(&objections));
    }
    let Some(reason) = ruled_out(decision, &chain)? else { return Ok(Application::Accepts) };
    let anchors = allowed_anchors(decision)?;
    let kept = given.into_iter().enumerate().filter(|(i, _)| !decision.excluded().contains(i));
    let given = living(&leaf, kept.map(|(_, certificate)| certificate).collect(), &anchors);
    let (objections, _) = verify(&leaf, &given, store_of(anchors, query)?, query)?;
    Ok(match objections.is_empty() {
        true => Application::Accepts,
        false => Application::RuledOut(reason),
    })
}

/// In words, whose anchors these are.
pub fn anchors_in_words() -> String {
    let (file, folders) = library::default_anchors();
    let places = std::iter::once(file).chain(folders).filter(|path| path.exists());
    let places: Vec<_> = places.map(|path| path.display().to_string()).collect();
    match places.is_empty() {
        true => "no anchors at all: this system has none in OpenSSL's default places".into(),
        false => format!("this system's anchors ({})", places.join(", ")),
    }
}

/// What OpenSSL does not like, and the chain that it found.
type Run = (Vec<Objection>, Vec<X509>);

fn verify(leaf: &X509, given: &[X509], store: X509Store, query: &Query) -> Result<Run, ErrorStack> {
    let profile = match query.role {
        _ if is_mail(query) => c"smime_sign",
        Role::Server => c"ssl_server",
        Role::Client => c"ssl_client",
    };
    let mut untrusted = Stack::new()?;
    for certificate in given {
        untrusted.push(certificate.clone())?;
    }
    X509StoreContext::new()?.init(&store, leaf, &untrusted, |context| {
        let objections = library::objections(context, profile)?;
        let chain = context.chain().map(|chain| chain.iter().map(ToOwned::to_owned).collect());
        Ok((objections, chain.unwrap_or_default()))
    })
}

fn default_store(query: &Query) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    store.set_default_paths()?;
    store.set_param(&*parameters(query)?)?;
    Ok(store.build())
}

/// The default anchors but for those that the policy rules out.
fn allowed_anchors(decision: &Decision<'_>) -> Result<Vec<X509>, NativeError> {
    let (file, folders) = library::default_anchors();
    let names = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let files = folders.into_iter().flat_map(names).map(|entry| entry.path());
    let mut allowed = Vec::new();
    for path in std::iter::once(file).chain(files) {
        // As in OpenSSL, what is not readable or holds no certificate is no anchor.
        let read = fs::read(path).ok().and_then(|content| X509::stack_from_pem(&content).ok());
        for anchor in read.unwrap_or_default() {
            if ruled_out(decision, std::slice::from_ref(&anchor))?.is_none() {
                allowed.push(anchor);
            }
        }
    }
    Ok(allowed)
}

fn store_of(anchors: Vec<X509>, query: &Query) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for anchor in anchors {
        store.add_cert(anchor)?;
    }
    store.set_param(&*parameters(query)?)?;
    Ok(store.build())
}

/// What of `given` can still stand in a path: what has an issuer left. OpenSSL does not turn back from
/// an intermediate that it has chosen, even if that leads nowhere.
fn living(leaf: &X509, mut given: Vec<X509>, anchors: &[X509]) -> Vec<X509> {
    let issued = |by: &X509, other: &X509| by.issued(other) == X509VerifyResult::OK;
    loop {
        let lives = |other: &X509| {
            let mut issuers = anchors.iter().chain(&given).chain([leaf]);
            issuers.any(|by| issued(by, other))
        };
        let left: Vec<_> = given.iter().filter(|other| lives(other)).cloned().collect();
        if left.len() == given.len() {
            return left;
        }
        given = left;
    }
}

/// Whom, when, and how strictly, as libssl (for mail: CMS_verify(3)) sets it from what a program says.
fn parameters(query: &Query) -> Result<X509VerifyParam, ErrorStack> {
    let mut parameters = X509VerifyParam::new()?;
    parameters.set_time(query.time);
    parameters.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
    if !is_mail(query) {
        // A program that sets no level has the library's own; outside of TLS that is none.
        let level = SslContext::builder(SslMethod::tls())?.build().security_level();
        parameters.set_auth_level(level.try_into().unwrap_or(0));
    }
    let nobody = ExpectedPeer::default();
    let expected = match &query.peer {
        Peer::Expected(expected) => expected,
        Peer::Claimed => &nobody,
    };
    for host in &expected.hosts {
        match host {
            ExpectedHost::Exact(host) => parameters.set_host(host.as_str())?,
            ExpectedHost::Below(domain) => parameters.set_host(&format!(".{domain}"))?,
        }
    }
    if let Some(address) = expected.address {
        parameters.set_ip(address)?;
    }
    if let Some(email) = &expected.email {
        parameters.set_email(&email.to_string())?;
    }
    Ok(parameters)
}

/// Why the policy does not want a chain through these.
fn ruled_out(decision: &Decision<'_>, chain: &[X509]) -> Result<Option<Reason>, NativeError> {
    for certificate in chain {
        // One that cannot be read could be any.
        let reason = match Certificate::from_der(&certificate.to_der()?) {
            Ok(certificate) => decision.rules_out(&certificate)?,
            Err(why) => {
                Some(Reason::CannotDecide(format!("a CA certificate cannot be read: {why}")))
            }
        };
        if reason.is_some() {
            return Ok(reason);
        }
    }
    Ok(None)
}

fn answer(objections: &[Objection]) -> Application {
    let Some(first) = objections.first() else { return Application::Accepts };
    let mut faults = Vec::new();
    for fault in objections.iter().map(|objection| fault(objection.code)) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    Application::Refuses { faults, why: library::text(first.code).into() }
}

/// What a grant may overrule is a closed list of X509_V_ERR_… (the numbers are those of
/// <openssl/x509_vfy.h>).
pub fn fault(code: i32) -> Fault {
    match code {
        2 | 18 | 19 | 20 | 21 | 24 | 27 => Fault::NoTrustedPath,
        10 => Fault::Expired,
        62 | 64 => Fault::NameMismatch,
        other => Fault::Other(library::text(other).into()),
    }
}
