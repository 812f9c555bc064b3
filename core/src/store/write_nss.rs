//! Writing what NSS is told.

use rusqlite::{Transaction, params};

use super::nss::{Trust, place};
use crate::nss::{CertificateObject, Objects, TrustObject};

/// Fills the tables of NSS.
pub(super) fn write(transaction: &Transaction<'_>, objects: &Objects) -> rusqlite::Result<()> {
    for certificate in &objects.certificates {
        write_certificate(transaction, certificate)?;
    }
    // In the order of the table, which is built faster so.
    let mut trust: Vec<_> = objects
        .trust
        .iter()
        .map(|object| (place(&object.issuer, &object.serial), object))
        .collect();
    trust.sort_by_key(|(place, object)| (*place, !object.is_denial, object.span.begins));
    trust.iter().try_for_each(|(place, object)| write_trust(transaction, place, object))
}

fn write_certificate(
    transaction: &Transaction<'_>,
    CertificateObject { span, row }: &CertificateObject,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO nss_certificate VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let place = place(&row.issuer, &row.serial);
    let values = params![
        place,
        span.begins,
        span.ends,
        row.issuer,
        row.serial,
        row.subject,
        row.der,
        row.label,
        row.is_ca
    ];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

fn write_trust(
    transaction: &Transaction<'_>,
    place: &[u8; 32],
    TrustObject { span, is_denial, row, .. }: &TrustObject,
) -> rusqlite::Result<()> {
    // Of two denials of one certificate, the longer holds.
    let sql = "INSERT INTO nss_trust VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT DO UPDATE SET ends = max(ends, excluded.ends)";
    let number = |trust: Option<Trust>| trust.map(Trust::number);
    let values = params![
        place,
        u8::from(!is_denial),
        span.begins,
        span.ends,
        number(row.server),
        number(row.client),
        number(row.email),
        number(row.code),
        row.sha1,
        row.sha256
    ];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nss::Span;
    use crate::store::write::tests::empty;
    use crate::store::{CertificateRow, Compiled, TrustRow};

    const ISSUER: &[u8] = &[0x30, 0];
    const SERIAL: &[u8] = &[2, 1, 7];

    fn trust(one: Trust) -> TrustRow {
        let one = Some(one);
        TrustRow { server: one, client: one, email: one, code: one, sha1: None, sha256: None }
    }

    fn object(span: Span, is_denial: bool, row: TrustRow) -> TrustObject {
        TrustObject { issuer: ISSUER.to_vec(), serial: SERIAL.to_vec(), span, is_denial, row }
    }

    fn certificate(number: u8, span: Span) -> CertificateObject {
        let row = CertificateRow {
            id: 0,
            issuer: ISSUER.to_vec(),
            serial: vec![2, 1, number],
            subject: b"subject".to_vec(),
            der: vec![number],
            label: format!("certificate {number}"),
            is_ca: true,
        };
        CertificateObject { span, row }
    }

    /// A compiled policy that tells NSS these objects.
    fn compiled(objects: &Objects) -> (tempfile::TempDir, Compiled) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.db");
        let mut connection = empty(&path, objects.closed);
        let transaction = connection.transaction().unwrap();
        write(&transaction, objects).unwrap();
        transaction.commit().unwrap();
        drop(connection);
        crate::store::seal(&path).unwrap();
        let compiled = Compiled::open(path.to_str().unwrap()).unwrap();
        (folder, compiled)
    }

    #[test]
    fn what_is_written_is_found_by_issuer_and_serial_and_by_subject() {
        let row = TrustRow {
            server: Some(Trust::Delegator),
            client: Some(Trust::Trusted),
            email: Some(Trust::MustVerify),
            code: None,
            sha1: Some([1; 20]),
            sha256: Some([2; 32]),
        };
        let objects = Objects {
            trust: vec![object(Span::ALWAYS, false, row.clone())],
            certificates: vec![certificate(7, Span::ALWAYS), certificate(8, Span::ALWAYS)],
            closed: true,
        };
        let (_folder, compiled) = compiled(&objects);
        assert_eq!(compiled.nss_trust(ISSUER, SERIAL, 0).unwrap(), Some(row));
        let raw = compiled.nss_trust(ISSUER, &[7], 0).unwrap();
        assert_eq!(raw, None, "the content octets alone are no serial number here");
        let found = compiled.nss_certificate(ISSUER, SERIAL, 0).unwrap().unwrap();
        assert_eq!((found.der.as_slice(), found.label.as_str()), (&[7][..], "certificate 7"));
        assert_eq!(compiled.nss_certificate_by_id(found.id, 0).unwrap(), Some(found));
        assert_eq!(compiled.nss_by_subject(b"subject", 0).unwrap().len(), 2);
        assert!(compiled.nss_by_subject(b"other", 0).unwrap().is_empty());
        assert!(compiled.nss_closed());
    }

    #[test]
    fn pages_hold_every_certificate_once() {
        let certificates = (0..5).map(|number| certificate(number, Span::ALWAYS)).collect();
        let (_folder, compiled) = compiled(&Objects { certificates, ..Objects::default() });
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let page = compiled.nss_page(after, 2, 0).unwrap();
            let Some(last) = page.last() else { break };
            after = last.id;
            found.extend(page.into_iter().map(|row| row.der));
        }
        assert_eq!(found, [[0], [1], [2], [3], [4]]);
        assert!(!compiled.nss_closed());
    }

    #[test]
    fn a_row_holds_for_its_time() {
        let early = Span { begins: i64::MIN, ends: 99 };
        let late = Span { begins: 100, ends: i64::MAX };
        let objects = Objects {
            trust: vec![
                object(early, false, trust(Trust::Delegator)),
                object(late, false, trust(Trust::MustVerify)),
            ],
            certificates: vec![certificate(7, early)],
            closed: false,
        };
        let (_folder, compiled) = compiled(&objects);
        let server = |now| compiled.nss_trust(ISSUER, SERIAL, now).unwrap().unwrap().server;
        assert_eq!(server(99), Some(Trust::Delegator));
        assert_eq!(server(100), Some(Trust::MustVerify));
        assert!(compiled.nss_certificate(ISSUER, SERIAL, 99).unwrap().is_some());
        assert!(compiled.nss_certificate(ISSUER, SERIAL, 100).unwrap().is_none());
        assert!(compiled.nss_by_subject(b"subject", 100).unwrap().is_empty());
        assert!(compiled.nss_page(0, 9, 100).unwrap().is_empty());
    }

    #[test]
    fn a_denial_comes_first_for_as_long_as_it_holds() {
        let until = |ends| Span { begins: i64::MIN, ends };
        let objects = Objects {
            trust: vec![
                object(Span::ALWAYS, false, trust(Trust::Delegator)),
                object(until(50), true, trust(Trust::NotTrusted)),
                object(until(100), true, trust(Trust::NotTrusted)),
            ],
            ..Objects::default()
        };
        let (_folder, compiled) = compiled(&objects);
        let server = |now| compiled.nss_trust(ISSUER, SERIAL, now).unwrap().unwrap().server;
        assert_eq!(server(100), Some(Trust::NotTrusted));
        assert_eq!(server(101), Some(Trust::Delegator));
    }
}
