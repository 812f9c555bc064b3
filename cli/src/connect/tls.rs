//! The TLS handshake of `--connect`: as permissive as the library can be, since the policy decides.

use std::io::{Read, Write};

use openssl::error::ErrorStack;
use openssl::ssl::{self, Ssl, SslContext, SslMethod, SslRef, SslStream, SslVerifyMode};
use peerkey_core::certificate::printable;
use peerkey_core::peer::HostName;
use peerkey_core::protocol::Protocol;

use super::CallError;
use crate::library;

/// What the server showed.
#[derive(Debug)]
pub(super) struct Shown {
    /// Certificates in DER, the server's own first.
    pub(super) chain: Vec<Vec<u8>>,
    /// `TLSv1.3`.
    pub(super) version: &'static str,
    /// The ALPN protocol id that it chose.
    pub(super) alpn: Option<String>,
}

/// What a usual client of the protocol offers in ALPN, each name behind its length.
pub(super) fn alpn(protocol: Option<&Protocol>) -> &'static [u8] {
    match protocol.map(Protocol::as_str) {
        Some("https") => b"\x02h2\x08http/1.1",
        Some("postgresql") => b"\x0apostgresql",
        Some("xmpps-client") => b"\x0bxmpp-client",
        Some("xmpps-server") => b"\x0bxmpp-server",
        _ => b"",
    }
}

/// Finishes a handshake over `stream`, so that the server proves its key, and verifies nothing else.
pub(super) fn handshake<S: Read + Write>(
    stream: S,
    name: Option<&HostName>,
    alpn: &[u8],
) -> Result<Shown, CallError> {
    let ssl =
        client(name, alpn).map_err(|error| CallError::new(format!("OpenSSL failed: {error}")))?;
    let mut tls = SslStream::new(ssl, stream)
        .map_err(|error| CallError::new(format!("OpenSSL failed: {error}")))?;
    tls.connect().map_err(|error| describe(&error))?;
    let ssl = tls.ssl();
    let shown = Shown {
        chain: presented(ssl)?,
        version: ssl.version_str(),
        alpn: ssl.selected_alpn_protocol().map(|id| printable(&String::from_utf8_lossy(id))),
    };
    // The answer is here; whether the server hears a polite goodbye changes nothing.
    let _ = tls.shutdown();
    Ok(shown)
}

fn client(name: Option<&HostName>, alpn: &[u8]) -> Result<Ssl, ErrorStack> {
    library::start();
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    context.set_verify(SslVerifyMode::NONE);
    // Old versions and weak keys are for the program to refuse; here they are to be looked at.
    context.set_security_level(0);
    context.set_min_proto_version(None)?;
    if !alpn.is_empty() {
        context.set_alpn_protos(alpn)?;
    }
    let mut ssl = Ssl::new(&context.build())?;
    if let Some(name) = name {
        ssl.set_hostname(name.as_str())?;
    }
    Ok(ssl)
}

fn presented(ssl: &SslRef) -> Result<Vec<Vec<u8>>, CallError> {
    let unreadable = |error| CallError::new(format!("a certificate is not readable: {error}"));
    let chain = ssl.peer_cert_chain().map(|chain| chain.iter().map(|c| c.to_der()).collect());
    let chain: Vec<_> = chain.unwrap_or_else(|| Ok(Vec::new())).map_err(unreadable)?;
    if chain.is_empty() {
        return Err(CallError::new("the server showed no certificate"));
    }
    Ok(chain)
}

/// The cause as a person would put it.
fn describe(error: &ssl::Error) -> CallError {
    if let Some(error) = error.io_error() {
        return std::io::Error::from(error.kind()).into();
    }
    let Some(stack) = error.ssl_error() else {
        return CallError::new("the server hung up during the handshake");
    };
    let reason = stack.errors().iter().find_map(|e| e.reason()).unwrap_or("handshake failure");
    CallError::new(match reason {
        "wrong version number" | "packet length too long" => {
            format!("what answers there does not speak TLS ({reason})")
        }
        "unexpected eof while reading" => "the server hung up during the handshake".into(),
        reason => reason.to_owned(),
    })
}
