//! The certificates around remembered keys, found by what NSS asks for: issuer and serial number, or
//! subject. Only those of `https` on its own port: NSS says neither a protocol nor a port.

use rusqlite::{Connection, Params, params};
use sha2::{Digest, Sha256};

use super::{Keys, KeysError, Service};
use crate::certificate::Certificate;
use crate::der::tlv;
use crate::store::place;

/// A longer certificate is not kept: each of a peer's keys would bring one.
pub const LONGEST_KEPT: usize = 16 << 10;

/// No more certificates of one place or subject are looked at.
const MOST: usize = 64;

/// What a certificate is asked for by; hashed, as it stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Its issuer and serial number.
    Place([u8; 32]),
    /// Its subject.
    Subject([u8; 32]),
}

impl Wanted {
    /// By issuer (a DER Name) and serial number (a whole DER INTEGER).
    pub fn by_serial(issuer: &[u8], serial: &[u8]) -> Self {
        Self::Place(place(issuer, serial))
    }

    /// By subject, a DER Name.
    pub fn by_subject(subject: &[u8]) -> Self {
        Self::Subject(Sha256::digest(subject).into())
    }
}

impl Keys {
    /// The certificates of this place or subject in which a key of somebody's stands, whatever holds for
    /// it.
    pub fn certificates(&self, wanted: Wanted) -> Result<Vec<Vec<u8>>, KeysError> {
        if !self.finds_certificates() {
            return Ok(Vec::new());
        }
        let (column, hash) = match wanted {
            Wanted::Place(hash) => ("place", hash),
            Wanted::Subject(hash) => ("subject", hash),
        };
        let sql = format!(
            "SELECT DISTINCT certificate FROM wrapped JOIN key ON key.id = wrapped.key
               WHERE wrapped.{column} = ?1 AND certificate IS NOT NULL LIMIT {MOST}"
        );
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map([hash], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.error(&error))
    }
}

/// A certificate, if it is short enough to be kept.
pub(super) fn kept(certificate: Option<&[u8]>) -> Option<&[u8]> {
    certificate.filter(|der| der.len() <= LONGEST_KEPT)
}

/// Makes the certificate of one key findable, or no longer so.
pub(super) fn note(
    connection: &Connection,
    id: i64,
    service: &Service,
    certificate: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let is_asked_for = service.protocol == "https" && service.port == 0;
    let own = certificate.filter(|_| is_asked_for).and_then(|der| Certificate::from_der(der).ok());
    let Some(own) = own else {
        connection.prepare_cached("DELETE FROM wrapped WHERE key = ?1")?.execute([id])?;
        return Ok(());
    };
    let place = place(own.issuer(), &tlv(2, own.serial()));
    let subject: [u8; 32] = Sha256::digest(own.subject()).into();
    let sql = "INSERT OR REPLACE INTO wrapped VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![id, place, subject]).map(drop)
}

/// The same for all keys that a condition selects.
pub(super) fn note_all(
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT id, protocol, port, certificate FROM key
           WHERE certificate IS NOT NULL AND protocol = 'https' AND port = 0 AND {condition}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let service = Service { protocol: row.get(1)?, port: row.get(2)? };
        let certificate: Vec<u8> = row.get(3)?;
        note(connection, row.get(0)?, &service, Some(&certificate))?;
    }
    Ok(())
}
