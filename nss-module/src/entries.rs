//! What programs call: raw arguments here, and everything else in safe code.

use std::ffi::CStr;
use std::slice;

use pkcs11_sys::{
    CK_ATTRIBUTE_PTR, CK_BBOOL, CK_C_INITIALIZE_ARGS, CK_FLAGS, CK_INFO_PTR, CK_MECHANISM_INFO_PTR,
    CK_MECHANISM_TYPE, CK_MECHANISM_TYPE_PTR, CK_NOTIFY, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE_PTR,
    CK_RV, CK_SESSION_HANDLE, CK_SESSION_HANDLE_PTR, CK_SESSION_INFO_PTR, CK_SLOT_ID,
    CK_SLOT_ID_PTR, CK_SLOT_INFO_PTR, CK_TOKEN_INFO_PTR, CK_ULONG, CK_ULONG_PTR, CK_VOID_PTR,
    CKF_RW_SESSION, CKF_SERIAL_SESSION, CKR_FUNCTION_FAILED, CKR_FUNCTION_NOT_PARALLEL,
};

use peerkey_guest::entry::{guarded, silence_panics};

use crate::failure::{Failure, code};
use crate::module::{initialise, module};
use crate::template::{Template, put};
use crate::{find, slot};

/// The body of an entry: no panic leaves it.
fn entry(name: &str, body: impl FnOnce() -> Result<(), Failure>) -> CK_RV {
    guarded(name, CKR_FUNCTION_FAILED, || code(body()))
}

/// Fills in a place that the program gives.
///
/// # Safety
///
/// `place` is null, or a place for a `T`.
unsafe fn fill<T>(place: *mut T, value: T) -> Result<(), Failure> {
    if place.is_null() {
        return Err(Failure::ArgumentsBad);
    }
    // SAFETY: as promised.
    unsafe { place.write(value) };
    Ok(())
}

pub(crate) unsafe extern "C" fn initialize(arguments: CK_VOID_PTR) -> CK_RV {
    silence_panics();
    #[cfg(planted_panic)]
    peerkey_guest::entry::plant(crate::planted);
    // SAFETY: PKCS#11 has null or a pointer to arguments here.
    let initialised = guarded("C_Initialize", None, || Some(code(unsafe { begin(arguments) })));
    // NSS goes on without a module that fails: one that refuses everything is there at least.
    initialised.unwrap_or_else(|| entry("C_Initialize again", || initialise(NOWHERE)))
}

/// The parameters of a module that finds no policy.
const NOWHERE: &[u8] = b"state-dir=";

/// # Safety
///
/// `arguments` is null or points at a CK_C_INITIALIZE_ARGS.
unsafe fn begin(arguments: CK_VOID_PTR) -> Result<(), Failure> {
    // SAFETY: as promised.
    let Some(arguments) = (unsafe { arguments.cast::<CK_C_INITIALIZE_ARGS>().as_ref() }) else {
        return initialise(&[]);
    };
    let given = [
        arguments.CreateMutex.is_some(),
        arguments.DestroyMutex.is_some(),
        arguments.LockMutex.is_some(),
        arguments.UnlockMutex.is_some(),
    ];
    // Ours serve every thread; but all or none is what PKCS#11 asks for.
    if given != [given[0]; 4] {
        return Err(Failure::ArgumentsBad);
    }
    if arguments.pReserved.is_null() {
        return initialise(&[]);
    }
    // SAFETY: NSS and p11-kit pass the module's parameter string here; PKCS#11 has null.
    initialise(unsafe { CStr::from_ptr(arguments.pReserved.cast()) }.to_bytes())
}

pub(crate) unsafe extern "C" fn finalize(reserved: CK_VOID_PTR) -> CK_RV {
    entry("C_Finalize", || {
        let module = module()?;
        if reserved.is_null() { module.finalise() } else { Err(Failure::ArgumentsBad) }
    })
}

pub(crate) unsafe extern "C" fn get_info(info: CK_INFO_PTR) -> CK_RV {
    entry("C_GetInfo", || {
        module()?;
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(info, slot::library()) }
    })
}

pub(crate) unsafe extern "C" fn get_slot_list(
    _present: CK_BBOOL,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry("C_GetSlotList", || {
        module()?;
        // SAFETY: null, or a place for a number.
        let count = unsafe { count.as_mut() }.ok_or(Failure::ArgumentsBad)?;
        let room = std::mem::replace(count, 1);
        if slots.is_null() {
            return Ok(());
        }
        if room < 1 {
            return Err(Failure::BufferTooSmall);
        }
        // SAFETY: there is room for one.
        unsafe { fill(slots, slot::SLOT) }
    })
}

pub(crate) unsafe extern "C" fn get_slot_info(id: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    entry("C_GetSlotInfo", || {
        module()?;
        slot::check(id)?;
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(info, slot::slot()) }
    })
}

pub(crate) unsafe extern "C" fn get_token_info(id: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    entry("C_GetTokenInfo", || {
        let module = module()?;
        slot::check(id)?;
        let sessions = module.sessions().count();
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(info, slot::token(sessions)) }
    })
}

pub(crate) unsafe extern "C" fn get_mechanism_list(
    id: CK_SLOT_ID,
    _mechanisms: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry("C_GetMechanismList", || {
        module()?;
        slot::check(id)?;
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(count, 0) }
    })
}

pub(crate) unsafe extern "C" fn get_mechanism_info(
    id: CK_SLOT_ID,
    _mechanism: CK_MECHANISM_TYPE,
    _info: CK_MECHANISM_INFO_PTR,
) -> CK_RV {
    entry("C_GetMechanismInfo", || {
        module()?;
        slot::check(id)?;
        Err(Failure::MechanismInvalid)
    })
}

pub(crate) unsafe extern "C" fn open_session(
    id: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    entry("C_OpenSession", || {
        let module = module()?;
        slot::check(id)?;
        if session.is_null() {
            return Err(Failure::ArgumentsBad);
        }
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(Failure::ParallelSession);
        }
        if flags & CKF_RW_SESSION != 0 {
            return Err(Failure::WriteProtected);
        }
        let known = module.standing();
        let handle = module.sessions().open(known)?;
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(session, handle) }
    })
}

pub(crate) unsafe extern "C" fn close_session(session: CK_SESSION_HANDLE) -> CK_RV {
    entry("C_CloseSession", || module()?.sessions().close(session))
}

pub(crate) unsafe extern "C" fn close_all_sessions(id: CK_SLOT_ID) -> CK_RV {
    entry("C_CloseAllSessions", || {
        let module = module()?;
        slot::check(id)?;
        module.sessions().close_all();
        Ok(())
    })
}

pub(crate) unsafe extern "C" fn get_session_info(
    session: CK_SESSION_HANDLE,
    info: CK_SESSION_INFO_PTR,
) -> CK_RV {
    entry("C_GetSessionInfo", || {
        let module = module()?;
        module.sessions().get(session)?;
        if info.is_null() {
            return Err(Failure::ArgumentsBad);
        }
        let now = module.standing();
        if !module.sessions().get(session)?.knows(now) {
            // But searches go on: one in another thread must not fail.
            return Err(Failure::SessionHandleInvalid);
        }
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(info, slot::session()) }
    })
}

pub(crate) unsafe extern "C" fn get_attribute_value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    entry("C_GetAttributeValue", || {
        let module = module()?;
        module.sessions().get(session)?;
        let object = module.objects().get(object).ok_or(Failure::ObjectHandleInvalid)?;
        // SAFETY: as PKCS#11 has it.
        unsafe { put(&object, template, count) }
    })
}

pub(crate) unsafe extern "C" fn find_objects_init(
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    entry("C_FindObjectsInit", || {
        let module = module()?;
        module.sessions().get(session)?;
        // SAFETY: as PKCS#11 has it.
        let template = unsafe { Template::read(template, count) }?;
        let search = find::begin(module, &template);
        let before = module.sessions().get(session)?.search.replace(search);
        drop(before);
        Ok(())
    })
}

pub(crate) unsafe extern "C" fn find_objects(
    session: CK_SESSION_HANDLE,
    objects: CK_OBJECT_HANDLE_PTR,
    most: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry("C_FindObjects", || {
        let module = module()?;
        // No lock is held while the policy is read.
        let mut search = module.sessions().get(session)?.search.take().ok_or(Failure::NoSearch)?;
        let result = if count.is_null() || (objects.is_null() && most > 0) {
            Err(Failure::ArgumentsBad)
        } else {
            Ok(search.next(module, usize::try_from(most).unwrap_or(usize::MAX)))
        };
        if let Ok(session) = module.sessions().get(session) {
            session.search.get_or_insert(search);
        }
        let found = result?;
        if !found.is_empty() {
            // SAFETY: there is room for `most`, and there are no more.
            unsafe { slice::from_raw_parts_mut(objects, found.len()) }.copy_from_slice(&found);
        }
        // SAFETY: as PKCS#11 has it.
        unsafe { fill(count, found.len() as CK_ULONG) }
    })
}

pub(crate) unsafe extern "C" fn find_objects_final(session: CK_SESSION_HANDLE) -> CK_RV {
    entry("C_FindObjectsFinal", || {
        let search = module()?.sessions().get(session)?.search.take();
        search.map(drop).ok_or(Failure::NoSearch)
    })
}

/// C_GetFunctionStatus and C_CancelFunction (PKCS#11 2.40 section 5.15).
pub(crate) unsafe extern "C" fn not_parallel(_session: CK_SESSION_HANDLE) -> CK_RV {
    CKR_FUNCTION_NOT_PARALLEL
}
