//! Certificates around remembered keys: what of them the policy says by itself.
//!
//! They are looked up and judged when NSS asks. Keys that cannot be read are nobody's word, as they are
//! for every program: what else vouches, or refuses, goes on.

use pkcs11_sys::CK_OBJECT_HANDLE;

use peerkey_core::keys::{Told, Wanted, told};
use peerkey_core::store::TrustRow;
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::Borrowed;

use crate::find::now;
use crate::module::Module;
use crate::object::{Certificate, Object};

/// What is told of the certificates that are kept under what NSS asks for.
fn all_told(
    module: &Module,
    policy: &Borrowed<'_>,
    wanted: impl FnOnce() -> Wanted,
    now: i64,
) -> Vec<Told> {
    if policy.meta().remembering == 0 {
        return Vec::new();
    }
    let book = module.books.reader();
    let kept = book.certificates(wanted()).unwrap_or_default();
    let told = |der: Vec<u8>| told(policy, &book, &der, now).ok().flatten();
    kept.into_iter().filter_map(told).collect()
}

/// The trust in the certificate of this issuer and serial number. Of several, a denial comes first; of
/// two that are accepted none can be told apart.
pub(crate) fn trust(
    module: &Module,
    policy: &Borrowed<'_>,
    issuer: &[u8],
    serial: &[u8],
    now: i64,
) -> Option<TrustRow> {
    guarded("remembered", None, || {
        let told = all_told(module, policy, || Wanted::by_serial(issuer, serial), now);
        let denial = told.iter().find(|told| told.is_denial());
        denial.or(told.first().filter(|_| told.len() == 1)).map(|told| told.trust.clone())
    })
}

/// The accepted certificates that NSS asks for.
pub(crate) fn certificates(
    module: &Module,
    wanted: impl FnOnce() -> Wanted,
) -> Vec<CK_OBJECT_HANDLE> {
    let found = guarded("remembered certificates", None, || {
        let policy = module.policies.in_force().ok()??;
        let origin = module.origin(&policy);
        let now = now();
        let is_new = |told: &Told| {
            let known = policy.nss_certificate(&told.row.issuer, &told.row.serial, now);
            !told.is_denial() && matches!(known, Ok(None))
        };
        let told = all_told(module, &policy, wanted, now).into_iter().filter(is_new);
        let handles = told.map(|Told { row, .. }| {
            let key = ("remembered", row.der.clone());
            let object = || Object::Certificate(Certificate { row, trusted: true });
            module.objects().handle(origin, key, object)
        });
        Some(handles.collect())
    });
    found.unwrap_or_default()
}
