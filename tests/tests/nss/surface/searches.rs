//! What is found, and what is not.

use peerkey_tests::call;
use peerkey_tests::pkcs11::{
    Attribute, Library, NOT_TRUSTED, TRUST_CLASSES, TRUST_HASHES, TRUST_USAGES, number,
};
use peerkey_tests::pki::Draft;
use peerkey_tests::site::{SHIPPED, Site};
use pkcs11_sys::*;

use super::{Module, initialised};

fn about(class: CK_OBJECT_CLASS) -> Vec<Attribute> {
    vec![
        (CKA_TOKEN, vec![CK_TRUE]),
        (CKA_CLASS, number(class)),
        (CKA_ISSUER, b"any issuer".to_vec()),
        (CKA_SERIAL_NUMBER, vec![2, 1, 7]),
    ]
}

#[track_caller]
fn count(module: &Module, session: CK_SESSION_HANDLE, wanted: &[Attribute]) -> usize {
    module.library.find(session, wanted).unwrap().len()
}

/// Whether every certificate is distrusted for every use.
fn distrusts_all(library: &Library, session: CK_SESSION_HANDLE) -> bool {
    (0..2).all(|class| {
        let found = library.find(session, &about(TRUST_CLASSES[class])).unwrap();
        let [object] = found[..] else { return false };
        let value = |kind| library.value(session, object, kind).unwrap();
        let expected = Some(number(NOT_TRUSTED[class]));
        TRUST_USAGES[class].into_iter().all(|usage| value(usage) == expected)
            && value(TRUST_HASHES[class]).is_none()
    })
}

#[test]
fn without_a_policy_everything_is_distrusted_or_nothing_said() {
    let site = Site::new();
    let module = initialised(&site, "");
    assert!(distrusts_all(&module.library, module.library.session().unwrap()));
    drop(module);
    let module = initialised(&site, "on-error=application");
    let session = module.library.session().unwrap();
    for class in TRUST_CLASSES {
        assert_eq!(count(&module, session, &about(class)), 0);
    }
}

#[test]
fn a_policy_that_leaves_programs_alone_shows_nothing() {
    let denial = format!("[[deny]]\nspki = '{}'\n", Draft::server("x.example").self_signed().pin());
    let watching = format!("version = 1\nmode = 'monitor'\n{denial}");
    for policy in [SHIPPED, &watching] {
        let site = Site::with_policy(policy);
        let module = initialised(&site, "");
        let session = module.library.session().unwrap();
        for class in TRUST_CLASSES.into_iter().chain([CKO_CERTIFICATE]) {
            assert_eq!(count(&module, session, &about(class)), 0, "{policy}");
        }
    }
}

#[test]
fn a_template_is_matched_whole() {
    let site = Site::new();
    let module = initialised(&site, "");
    let session = module.library.session().unwrap();
    let with = |more: Attribute| [about(TRUST_CLASSES[0]), vec![more]].concat();
    assert_eq!(count(&module, session, &with((CKA_PRIVATE, vec![CK_FALSE]))), 1);
    assert_eq!(count(&module, session, &with((CKA_PRIVATE, vec![CK_TRUE]))), 0);
    assert_eq!(count(&module, session, &with((CKA_TOKEN, vec![CK_FALSE]))), 0);
    assert_eq!(count(&module, session, &with((CKA_CLASS, number(TRUST_CLASSES[1])))), 0);
    assert_eq!(count(&module, session, &with((CKA_VALUE, vec![]))), 0);
    // Neither alone is a key, and without a class it is any.
    let both = [(CKA_ISSUER, vec![1]), (CKA_SERIAL_NUMBER, vec![2])];
    assert_eq!(count(&module, session, &both), 2);
    assert_eq!(count(&module, session, &both[..1]), 0);
    assert_eq!(count(&module, session, &both[1..]), 0);
    // What NSS asks for at the start.
    for class in [CKO_PROFILE, 0xCE53_4354] {
        let wanted = [(CKA_TOKEN, vec![CK_TRUE]), (CKA_CLASS, number(class))];
        assert_eq!(count(&module, session, &wanted), 0, "{class:x}");
    }
}

#[test]
fn a_search_that_was_left_behind_gives_way() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let session = library.session().unwrap();
    let mut wanted = peerkey_tests::pkcs11::template(&[]);
    assert_eq!(call!(library, C_FindObjectsInit, session, wanted.as_mut_ptr(), 0), CKR_OK);
    assert!(distrusts_all(library, session));
    assert_eq!(call!(library, C_FindObjectsFinal, session), CKR_OPERATION_NOT_INITIALIZED);
    let (mut handle, mut found) = (0, 0);
    let next = call!(library, C_FindObjects, session, &raw mut handle, 1, &raw mut found);
    assert_eq!(next, CKR_OPERATION_NOT_INITIALIZED);
}

#[test]
fn a_session_is_lost_when_remembered_keys_change() {
    let key = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let tofu =
        "[authority.devices]\nkind = 'tofu'\n[[rule]]\npeers = ['.lan']\naccept = 'devices'\n";
    for (policy, system, changes) in
        [(tofu, false, true), (tofu, true, true), ("[[deny]]\nspki = 'KEY'\n", false, false)]
    {
        let site = Site::new();
        site.apply(&format!("version = 1\n{}", policy.replace("KEY", key)));
        let module = initialised(&site, "");
        let library = &module.library;
        let mut session = library.session().unwrap();
        // SAFETY: numbers.
        let mut info: CK_SESSION_INFO = unsafe { std::mem::zeroed() };
        let mut ask = |session| call!(library, C_GetSessionInfo, session, &raw mut info);
        for words in ["add router.lan --protocol https --yes --spki", "forget router.lan --key"] {
            let mut keys = site.peerkey();
            keys.arg("keys").args(words.split(' ')).arg(key).args(system.then_some("--system"));
            peerkey_tests::run::run(&mut keys).expect_ok(words);
            assert_eq!(ask(session) != CKR_OK, changes, "{words} {system}: {policy}");
            session = library.session().unwrap();
            assert_eq!(ask(session), CKR_OK);
        }
    }
}

#[test]
fn a_session_is_lost_when_the_policy_changes() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let (first, second) = (library.session().unwrap(), library.session().unwrap());
    // SAFETY: numbers.
    let mut info: CK_SESSION_INFO = unsafe { std::mem::zeroed() };
    let mut ask = |session| call!(library, C_GetSessionInfo, session, &raw mut info);
    assert_eq!([ask(first), ask(second)], [CKR_OK; 2]);
    site.apply(SHIPPED);
    let lost = CKR_SESSION_HANDLE_INVALID;
    assert_eq!([ask(first), ask(second), ask(first)], [lost; 3]);
    // It still finds what is there now: another thread may be in the middle of something.
    assert_eq!(count(&module, first, &about(TRUST_CLASSES[0])), 0);
    assert_eq!(call!(library, C_CloseSession, first), CKR_OK);
    let third = library.session().unwrap();
    assert_eq!([ask(second), ask(third)], [lost, CKR_OK]);
    // Another policy that says nothing is no change.
    site.apply(&format!("{SHIPPED}# the same\n"));
    assert_eq!(ask(third), CKR_OK);
    std::fs::remove_dir_all(site.path("state")).unwrap();
    Site::settle();
    assert_eq!(ask(third), lost);
    assert!(distrusts_all(library, third));
}
