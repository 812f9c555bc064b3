//! Initialise, finalise, fork, threads.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use peerkey_tests::call;
use peerkey_tests::pkcs11::{Attribute, Library, NOT_TRUSTED, TRUST_CLASSES, TRUST_USAGES, number};
use peerkey_tests::site::Site;
use pkcs11_sys::*;

use super::{initialised, loaded};

/// A search that finds something where there is no policy.
fn wanted(class: usize) -> Vec<Attribute> {
    let class = number(TRUST_CLASSES[class]);
    vec![(CKA_CLASS, class), (CKA_ISSUER, vec![1]), (CKA_SERIAL_NUMBER, vec![2])]
}

/// Whether a session finds that nothing is trusted.
fn answers(library: &Library, session: CK_SESSION_HANDLE) -> bool {
    (0..2).all(|class| {
        let found = library.find(session, &wanted(class)).unwrap_or_default();
        let [object] = found[..] else { return false };
        let value = library.value(session, object, TRUST_USAGES[class][0]);
        value == Ok(Some(number(NOT_TRUSTED[class])))
    })
}

#[test]
fn twice() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    assert_eq!(library.initialise("state-dir=/other"), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    let session = library.session().unwrap();
    assert!(answers(library, session));
    assert_eq!(call!(library, C_Finalize, null_mut()), CKR_OK);
    assert_eq!(call!(library, C_Finalize, null_mut()), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(library.initialise("state-dir=/other"), CKR_OK);
    // What was open before is no session of this life.
    assert_eq!(library.find(session, &wanted(0)), Err(CKR_SESSION_HANDLE_INVALID));
    assert!(answers(library, library.session().unwrap()));
}

#[test]
fn with_and_without_arguments() {
    let module = loaded();
    let library = &module.library;
    assert_eq!(call!(library, C_Initialize, null_mut()), CKR_OK);
    assert_eq!(call!(library, C_Finalize, null_mut()), CKR_OK);
    unsafe extern "C" fn lock(_: *mut std::ffi::c_void) -> CK_RV {
        CKR_OK
    }
    let mut arguments = CK_C_INITIALIZE_ARGS {
        CreateMutex: None,
        DestroyMutex: None,
        LockMutex: Some(lock),
        UnlockMutex: None,
        flags: 0,
        pReserved: null_mut(),
    };
    let half = call!(library, C_Initialize, (&raw mut arguments).cast());
    assert_eq!(half, CKR_ARGUMENTS_BAD);
    arguments.LockMutex = None;
    assert_eq!(call!(library, C_Initialize, (&raw mut arguments).cast()), CKR_OK);
}

#[test]
fn one_of_many_threads_initialises() {
    let module = loaded();
    for round in 0..50 {
        let first = AtomicUsize::new(0);
        thread::scope(|scope| {
            for i in 0..8 {
                // The same settings for some of them.
                let parameters = format!("state-dir=/nowhere/{round}/{}", i % 3);
                let (library, first) = (module.library, &first);
                scope.spawn(move || match library.initialise(&parameters) {
                    CKR_OK => drop(first.fetch_add(1, Ordering::Relaxed)),
                    code => assert_eq!(code, CKR_CRYPTOKI_ALREADY_INITIALIZED),
                });
            }
        });
        assert_eq!(first.into_inner(), 1, "round {round}");
        assert_eq!(call!(module.library, C_Finalize, null_mut()), CKR_OK);
    }
}

#[test]
fn sessions() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let (first, second) = (library.session().unwrap(), library.session().unwrap());
    assert_ne!(first, second);
    assert_eq!(call!(library, C_CloseSession, first), CKR_OK);
    assert_eq!(call!(library, C_CloseSession, first), CKR_SESSION_HANDLE_INVALID);
    assert!(answers(library, second) && !answers(library, first));
    assert_eq!(call!(library, C_CloseAllSessions, 1), CKR_OK);
    assert!(!answers(library, second));
    // A number is never used again.
    let third = library.session().unwrap();
    assert!(third != first && third != second);
}

#[test]
fn threads() {
    let site = Site::new();
    let module = initialised(&site, "");
    let shared = module.library.session().unwrap();
    thread::scope(|scope| {
        for _ in 0..16 {
            let library = module.library;
            scope.spawn(move || {
                for _ in 0..100 {
                    let own = library.session().unwrap();
                    assert!(answers(&library, own));
                    // A session that others search in too finds theirs, or nothing: it has no other way.
                    let _ = library.find(shared, &wanted(0));
                    assert_eq!(call!(library, C_CloseSession, own), CKR_OK);
                }
            });
        }
    });
    assert!(answers(&module.library, shared));
}

/// Runs `body` in a child of this process.
#[track_caller]
fn in_a_child(body: impl FnOnce() -> bool) {
    // SAFETY: the child runs the body, and ends without running anything else of this process.
    let status = unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(20);
                libc::_exit(if body() { 0 } else { 1 });
            }
            child => {
                let mut status = -1;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                status
            }
        }
    };
    assert_eq!(status, 0);
}

#[test]
fn a_child_has_to_initialise_it_again() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = module.library;
    let session = library.session().unwrap();
    assert!(answers(&library, session));
    let parameters = format!("state-dir={}", site.path("state").display());
    in_a_child(|| {
        let before = library.session() == Err(CKR_CRYPTOKI_NOT_INITIALIZED)
            && call!(library, C_Finalize, null_mut()) == CKR_CRYPTOKI_NOT_INITIALIZED
            && !answers(&library, session);
        let again = library.initialise(&parameters) == CKR_OK
            && library.initialise(&parameters) == CKR_CRYPTOKI_ALREADY_INITIALIZED;
        before && again && library.session().is_ok_and(|own| answers(&library, own))
    });
    // The parent goes on.
    assert!(answers(&library, session));
}

#[test]
fn a_child_waits_for_no_lock_of_its_parents() {
    let site = Site::new();
    let module = initialised(&site, "");
    let (library, stop) = (module.library, AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let own = library.session().unwrap();
                    assert!(answers(&library, own));
                    call!(library, C_CloseSession, own);
                }
            });
        }
        for _ in 0..100 {
            in_a_child(|| {
                library.initialise("state-dir=/nowhere") == CKR_OK
                    && library.session().is_ok_and(|own| answers(&library, own))
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
}
