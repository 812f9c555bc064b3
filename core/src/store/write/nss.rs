//! Writing what NSS is told.

use rusqlite::ToSql;

use super::{Writer, remembers};
use crate::der::tlv;
use crate::nss::{CertificateObject, Objects, TrustObject};
use crate::policy::{AuthorityKind, Policy};
use crate::store::entry::Kind;
use crate::store::nss::{Trust, place};

impl Writer<'_> {
    /// The CAs of which NSS knows something: what it is told of a remembered certificate is told of no
    /// issuer and serial number of theirs.
    pub(super) fn known_cas(&self, policy: &Policy) -> rusqlite::Result<()> {
        if !policy.authorities.iter().any(remembers) {
            return Ok(());
        }
        let anchors = policy.authorities.iter().flat_map(|authority| match &authority.kind {
            AuthorityKind::X509 { anchors, .. } => anchors.as_slice(),
            _ => &[],
        });
        let limited = policy.constraints.iter().flat_map(|constraint| &constraint.certificates);
        let all = anchors.map(|anchor| &anchor.certificate);
        let all = all.chain(limited.map(|named| &named.certificate)).chain(&policy.system);
        for ca in all {
            self.put(Kind::NssCa, &place(ca.issuer(), &tlv(2, ca.serial())), &0, &[])?;
        }
        Ok(())
    }

    /// The objects of the module.
    pub(super) fn objects(&self, objects: &Objects) -> rusqlite::Result<()> {
        self.trust(&objects.trust)?;
        let certificates = &objects.certificates;
        certificates.iter().zip(1..).try_for_each(|(own, id)| self.certificate(id, own))?;
        let rows = || certificates.iter().map(|own| &own.row).zip(1_i64..);
        let mut places: Vec<_> =
            rows().map(|(row, id)| (place(&row.issuer, &row.serial), id)).collect();
        places.sort_unstable();
        places.iter().try_for_each(|(place, id)| self.put(Kind::NssByPlace, place, id, &[]))?;
        let mut subjects: Vec<_> = rows().map(|(row, id)| (&row.subject, id)).collect();
        subjects.sort_unstable();
        subjects.iter().try_for_each(|(name, id)| self.put(Kind::NssBySubject, name, id, &[]))
    }

    fn trust(&self, objects: &[TrustObject]) -> rusqlite::Result<()> {
        let order =
            |own: &TrustObject| (place(&own.issuer, &own.serial), !own.is_denial, own.span.begins);
        let mut trust: Vec<_> =
            objects.iter().map(|own| (order(own), own.span.ends, own)).collect();
        // Of two denials of one certificate, the longer holds: it comes first.
        trust.sort_by_key(|(order, ends, _)| (*order, std::cmp::Reverse(*ends)));
        trust.dedup_by_key(|(order, ..)| *order);
        for (number, ((place, ..), ends, own)) in trust.into_iter().enumerate() {
            let (begins, row) = (own.span.begins, &own.row);
            let [server, client, email, code] =
                [row.server, row.client, row.email, row.code].map(|trust| trust.map(Trust::number));
            let values: [&dyn ToSql; 8] =
                [&begins, &ends, &server, &client, &email, &code, &row.sha1, &row.sha256];
            self.put(Kind::NssTrust, &place, &number, &values)?;
        }
        Ok(())
    }

    fn certificate(&self, id: i64, object: &CertificateObject) -> rusqlite::Result<()> {
        let CertificateObject { span, row } = object;
        let values: [&dyn ToSql; 8] = [
            &span.begins,
            &span.ends,
            &row.issuer,
            &row.serial,
            &row.subject,
            &self.bulk(&row.der)?,
            &row.label,
            &row.is_ca,
        ];
        self.put(Kind::NssCertificate, &id, &0, &values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nss::Span;
    use std::collections::BTreeMap;

    use crate::store::write::Protocols;
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
        let protocols = Protocols(BTreeMap::default());
        Writer::new(&transaction, protocols).objects(objects).unwrap();
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
