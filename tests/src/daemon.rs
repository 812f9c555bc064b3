//! Real servers of Debian's packages, each in a folder of its own.

mod nginx;
mod postgres;
mod redis;

pub use nginx::Nginx;
pub use postgres::Postgres;
pub use postgres::programs as postgres_programs;
pub use redis::Redis;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

/// Whether somebody listens there.
fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// The certificate that a server presents, asked for without any verification; `preamble` is sent
/// first, and one byte read for it (PostgreSQL's SSLRequest).
fn presented(address: SocketAddr, preamble: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    if !preamble.is_empty() {
        stream.write_all(preamble).ok()?;
        stream.read_exact(&mut [0]).ok()?;
    }
    let mut connector = SslConnector::builder(SslMethod::tls_client()).ok()?;
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_security_level(0);
    let connection = connector.build().configure().ok()?;
    let stream = connection.verify_hostname(false).connect("probe.invalid", stream).ok()?;
    stream.ssl().peer_certificate()?.to_der().ok()
}
