//! Searches: what the policy in force has for a template.

use std::time::{SystemTime, UNIX_EPOCH};
use std::vec;

use pkcs11_sys::{
    CK_ATTRIBUTE_TYPE, CK_OBJECT_HANDLE, CKA_CERTIFICATE_TYPE, CKA_ISSUER, CKA_SERIAL_NUMBER,
    CKA_SUBJECT, CKO_CERTIFICATE,
};

use peerkey_core::keys::Wanted;
use peerkey_core::store::{CertificateRow, StoreError, Trust, TrustRow};
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::{Borrowed, CannotDecide};

use crate::module::Module;
use crate::object::{Certificate, Object, TrustKind, TrustObject};
use crate::objects::everywhere;
use crate::remembered;
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

/// Begins a search. It finds by issuer and serial number, or by subject, and else nothing: NSS would
/// remember every certificate that it is shown. But p11-kit and GnuTLS look for all, or all that are
/// trusted; they are told by the CKA_CERTIFICATE_TYPE in their templates, which NSS never asks for alone.
pub(crate) fn begin(module: &Module, template: &Template<'_>) -> Search {
    let found = match (template.value(CKA_ISSUER), template.value(CKA_SERIAL_NUMBER)) {
        (Some(issuer), Some(serial)) => by_serial(module, template, issuer, serial),
        _ if !template.allows(CKO_CERTIFICATE) => Vec::new(),
        _ => match template.value(CKA_SUBJECT) {
            Some(subject) => by_subject(module, template, subject),
            None if template.value(CKA_CERTIFICATE_TYPE).is_some() => {
                return Search::Every { after: 0, template: template.to_owned() };
            }
            None => Vec::new(),
        },
    };
    Search::Found(found.into_iter())
}

impl Search {
    /// The next handles, at most so many; none only at the end.
    pub(crate) fn next(&mut self, module: &Module, most: usize) -> Vec<CK_OBJECT_HANDLE> {
        let (after, template) = match self {
            Self::Found(handles) => return handles.take(most).collect(),
            Self::Every { after, template } => (after, template.as_template()),
        };
        let mut found = Vec::new();
        while found.len() < most {
            let page = (most - found.len()).min(PAGE);
            let read = certificates(module, |policy, now| policy.nss_page(*after, page, now));
            let Some(last) = read.last_id else { break };
            *after = last;
            found.extend(read.matching(module, &template, &[]));
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
        found.extend(handle.filter(|handle| has(module, template, *handle, KNOWN)));
    }
    if template.allows(CKO_CERTIFICATE) {
        let read = certificates(module, |policy, now| {
            Ok(policy.nss_certificate(issuer, serial, now)?.into_iter().collect())
        });
        let kept = remembered::certificates(module, || Wanted::by_serial(issuer, serial));
        found.extend(read.and(kept).matching(module, template, KNOWN));
    }
    found
}

fn by_subject(module: &Module, template: &Template<'_>, subject: &[u8]) -> Vec<CK_OBJECT_HANDLE> {
    let read = certificates(module, |policy, now| policy.nss_by_subject(subject, now));
    let kept = remembered::certificates(module, || Wanted::by_subject(subject));
    read.and(kept).matching(module, template, &[CKA_SUBJECT])
}

/// Whether the object matches, but for attributes of which that is known.
fn has(
    module: &Module,
    template: &Template<'_>,
    handle: CK_OBJECT_HANDLE,
    known: &[CK_ATTRIBUTE_TYPE],
) -> bool {
    let object = module.objects().get(handle);
    object.is_some_and(|object| template.matches(&object, known))
}

/// What NSS is told of its trust in a certificate.
enum Said {
    Nothing,
    /// The same as of every certificate.
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
    // What NSS cannot look up is not denied: a failure has to be an answer.
    let said = guarded("trust", None, || said(module, kind, issuer, serial).ok());
    let undecided = || match module.settings.on_error {
        OnError::Reject => Said::OfAll(Trust::NotTrusted),
        OnError::Application => Said::Nothing,
    };
    match said.unwrap_or_else(undecided) {
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
) -> Result<Said, CannotDecide> {
    let Some(policy) = module.policies.in_force()? else { return Ok(Said::Nothing) };
    let row = match policy.nss_trust(issuer, serial, now())? {
        Some(row) => Some(row),
        None => remembered::trust(module, &policy, issuer, serial, now()),
    };
    Ok(match row {
        Some(row) if is_denial(&row) => Said::OfAll(Trust::NotTrusted),
        Some(row) => {
            let origin = module.origin(&policy);
            let mut objects = module.objects();
            Said::Object(objects.handle(origin, (kind, issuer, serial, row.clone()), || {
                let about = Some((issuer.to_vec(), serial.to_vec()));
                Object::Trust(TrustObject { kind, row, about })
            }))
        }
        None if policy.nss_closed() => Said::OfAll(Trust::MustVerify),
        None => Said::Nothing,
    })
}

fn is_denial(row: &TrustRow) -> bool {
    let levels = [row.server, row.client, row.email, row.code];
    row.sha1.is_none() && row.sha256.is_none() && levels == [Some(Trust::NotTrusted); 4]
}

/// Handles of certificates that were read.
#[derive(Default)]
struct Read {
    handles: Vec<CK_OBJECT_HANDLE>,
    last_id: Option<i64>,
}

impl Read {
    fn and(mut self, more: Vec<CK_OBJECT_HANDLE>) -> Self {
        self.handles.extend(more);
        self
    }

    fn matching(
        mut self,
        module: &Module,
        template: &Template<'_>,
        known: &[CK_ATTRIBUTE_TYPE],
    ) -> Vec<CK_OBJECT_HANDLE> {
        self.handles.retain(|handle| has(module, template, *handle, known));
        self.handles
    }
}

/// The certificates that `look_up` finds. None where nothing can be looked up: a certificate without
/// trust opens nothing.
fn certificates(
    module: &Module,
    look_up: impl FnOnce(&Borrowed<'_>, i64) -> Result<Vec<CertificateRow>, StoreError>,
) -> Read {
    let read = guarded("certificates", None, || {
        let (policy, now) = (module.policies.in_force().ok()??, now());
        let rows = look_up(&policy, now).ok()?;
        let last_id = rows.last().map(|row| row.id);
        let origin = module.origin(&policy);
        let handles = rows.into_iter().map(|row| {
            let id = row.id;
            if let Some(handle) = module.objects().known(origin, id) {
                return handle;
            }
            let trusted = is_anchor(&policy, &row, now);
            let object = || Object::Certificate(Certificate { row, trusted });
            module.objects().handle(origin, id, object)
        });
        Some(Read { handles: handles.collect(), last_id })
    });
    read.unwrap_or_default()
}

fn is_anchor(policy: &Borrowed<'_>, row: &CertificateRow, now: i64) -> bool {
    let trust = policy.nss_trust(&row.issuer, &row.serial, now);
    trust.is_ok_and(|trust| trust.is_some_and(|row| row.server == Some(Trust::Delegator)))
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
