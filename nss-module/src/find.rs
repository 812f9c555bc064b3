//! Searches: what the policy in force has for a template.

use std::vec;

use pkcs11_sys::{
    CK_ATTRIBUTE_TYPE, CK_OBJECT_HANDLE, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_SUBJECT,
    CKO_CERTIFICATE,
};

use peerkey_core::store::StoreError;
use peerkey_core::store::nss::{CertificateRow, Trust, TrustRow};
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::Borrowed;

use crate::module::Module;
use crate::object::{Certificate, Object, TrustKind, TrustObject};
use crate::objects::everywhere;
use crate::settings::OnError;
use crate::template::{OwnedTemplate, Template};

/// How many certificates are read at a time where all are wanted.
const PAGE: usize = 64;

/// A search that was begun.
pub(crate) enum Search {
    /// What is left of what it found.
    Found(vec::IntoIter<CK_OBJECT_HANDLE>),
    /// Every certificate behind this one, as far as it matches.
    Every { after: i64, template: OwnedTemplate },
}

/// Begins a search. It finds by issuer and serial number, or by subject, and else nothing, unless the
/// settings want every certificate found.
pub(crate) fn begin(module: &Module, template: &Template<'_>) -> Search {
    if let (Some(issuer), Some(serial)) =
        (template.value(CKA_ISSUER), template.value(CKA_SERIAL_NUMBER))
    {
        return Search::Found(by_serial(module, template, issuer, serial).into_iter());
    }
    if !template.allows(CKO_CERTIFICATE) {
        return Search::Found(Vec::new().into_iter());
    }
    if let Some(subject) = template.value(CKA_SUBJECT) {
        return Search::Found(by_subject(module, template, subject).into_iter());
    }
    if module.settings.enumerate {
        return Search::Every { after: i64::MIN, template: template.to_owned() };
    }
    Search::Found(Vec::new().into_iter())
}

impl Search {
    /// The next handles, at most so many; fewer only at the end.
    pub(crate) fn next(&mut self, module: &Module, most: usize) -> Vec<CK_OBJECT_HANDLE> {
        let (after, template) = match self {
            Self::Found(handles) => return handles.take(most).collect(),
            Self::Every { after, template } => (after, template),
        };
        let mut found = Vec::new();
        while found.len() < most {
            let page = most.saturating_sub(found.len()).min(PAGE);
            let rows = certificates(module, |policy| policy.nss_page(*after, page));
            let Some(last) = rows.last().map(|(row, _)| row.id) else { break };
            *after = last;
            found.extend(matching(module, &template.as_template(), rows, &[]));
        }
        found
    }
}

fn by_serial(
    module: &Module,
    template: &Template<'_>,
    issuer: &[u8],
    serial: &[u8],
) -> Vec<CK_OBJECT_HANDLE> {
    const KNOWN: &[CK_ATTRIBUTE_TYPE] = &[CKA_ISSUER, CKA_SERIAL_NUMBER];
    let mut found = Vec::new();
    for kind in TrustKind::ALL.into_iter().filter(|kind| template.allows(kind.class())) {
        let handle = trust(module, kind, issuer, serial);
        found.extend(handle.filter(|handle| {
            let object = module.objects().get(*handle);
            object.is_some_and(|object| template.matches(&object, KNOWN))
        }));
    }
    if template.allows(CKO_CERTIFICATE) {
        let rows = certificates(module, |policy| {
            policy.nss_certificate(issuer, serial).map(|row| row.into_iter().collect())
        });
        found.extend(matching(module, template, rows, KNOWN));
    }
    found
}

fn by_subject(module: &Module, template: &Template<'_>, subject: &[u8]) -> Vec<CK_OBJECT_HANDLE> {
    let rows = certificates(module, |policy| policy.nss_by_subject(subject));
    matching(module, template, rows, &[CKA_SUBJECT])
}

/// What NSS is told of its trust in a certificate.
enum Said {
    Nothing,
    /// The same of every certificate.
    OfAll(Trust),
    /// What the policy says of this one.
    Object(CK_OBJECT_HANDLE),
}

fn trust(
    module: &Module,
    kind: TrustKind,
    issuer: &[u8],
    serial: &[u8],
) -> Option<CK_OBJECT_HANDLE> {
    let undecided = || match module.settings.on_error {
        OnError::Reject => Said::OfAll(Trust::NotTrusted),
        OnError::Application => Said::Nothing,
    };
    // What NSS cannot look up is not denied: a failure is an answer.
    let said = guarded("trust", None, || Some(said(module, kind, issuer, serial)));
    match said.and_then(Result::ok).unwrap_or_else(undecided) {
        Said::Nothing => None,
        Said::OfAll(trust) => everywhere(kind, trust),
        Said::Object(handle) => Some(handle),
    }
}

fn said(
    module: &Module,
    kind: TrustKind,
    issuer: &[u8],
    serial: &[u8],
) -> Result<Said, CannotLookUp> {
    let Some(policy) = module.policies.in_force()? else { return Ok(Said::Nothing) };
    let (file, key) = (policy.file(), (kind, issuer, serial));
    if let Some(handle) = module.objects().known(file, key) {
        return Ok(Said::Object(handle));
    }
    Ok(match policy.nss_trust(issuer, serial)? {
        Some(row) if is_denial(&row) => Said::OfAll(Trust::NotTrusted),
        Some(row) => {
            let about = Some((issuer.to_vec(), serial.to_vec()));
            let object = Object::Trust(TrustObject { kind, row, about });
            Said::Object(module.objects().keep(file, key, object))
        }
        None if policy.nss_closed() => Said::OfAll(Trust::MustVerify),
        None => Said::Nothing,
    })
}

fn is_denial(row: &TrustRow) -> bool {
    let levels = [row.server, row.client, row.email, row.code];
    row.sha1.is_none() && row.sha256.is_none() && levels == [Some(Trust::NotTrusted); 4]
}

/// The certificates that `look_up` finds, each with the trust in it where that is asked for. None where
/// nothing can be looked up: a certificate alone opens nothing.
fn certificates(
    module: &Module,
    look_up: impl FnOnce(&Borrowed<'_>) -> Result<Vec<CertificateRow>, StoreError>,
) -> Vec<(CertificateRow, bool)> {
    let found = guarded("certificates", None, || {
        let policy = module.policies.in_force().ok()??;
        let rows = look_up(&policy).ok()?;
        // NSS does not ask for it.
        let trusted = |row: &CertificateRow| {
            module.settings.enumerate && is_anchor(&policy, row).unwrap_or(false)
        };
        Some(rows.into_iter().map(|row| (trusted(&row), row)).map(|(t, row)| (row, t)).collect())
    });
    found.unwrap_or_default()
}

fn is_anchor(policy: &Borrowed<'_>, row: &CertificateRow) -> Result<bool, StoreError> {
    let trust = policy.nss_trust(&row.issuer, &row.serial)?;
    Ok(trust.is_some_and(|trust| trust.server == Some(Trust::Delegator)))
}

fn matching(
    module: &Module,
    template: &Template<'_>,
    rows: Vec<(CertificateRow, bool)>,
    known: &[CK_ATTRIBUTE_TYPE],
) -> Vec<CK_OBJECT_HANDLE> {
    todo!()
}
