//! A PKCS#11 module in this process, called as a program calls it.

mod every;

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};

use pkcs11_sys::*;

/// A trust object of NSS's own (pkcs11n.h), and one of PKCS#11 3.2.
pub const TRUST_CLASSES: [CK_OBJECT_CLASS; 2] = [0xCE53_4353, 0xb];
/// The attributes for servers, clients, e-mail and code, of each.
pub const TRUST_USAGES: [[CK_ATTRIBUTE_TYPE; 4]; 2] =
    [[0xCE53_6358, 0xCE53_6359, 0xCE53_635B, 0xCE53_635A], [0x62c, 0x62d, 0x62f, 0x62e]];
/// The attribute with the certificate's hash, of each.
pub const TRUST_HASHES: [CK_ATTRIBUTE_TYPE; 2] = [0xCE53_63B4, 0x635];
/// "Not trusted", of each.
pub const NOT_TRUSTED: [CK_ULONG; 2] = [0xCE53_435A, 3];
/// "Must verify", of each.
pub const MUST_VERIFY: [CK_ULONG; 2] = [0xCE53_4353, 4];

/// A loaded module. It stays loaded.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// Its list of functions.
    pub functions: &'static CK_FUNCTION_LIST,
}

/// An attribute with its value.
pub type Attribute = (CK_ATTRIBUTE_TYPE, Vec<u8>);

/// Calls a function of the list.
#[allow(
    clippy::macro_metavars_in_unsafe,
    reason = "a call of C's is no less unsafe for its arguments"
)]
#[macro_export]
macro_rules! call {
    ($library:expr, $name:ident $(, $argument:expr)* $(,)?) => {
        // SAFETY: as each test arranges it.
        unsafe { ($library.functions.$name.unwrap())($($argument),*) }
    };
}

impl Library {
    /// Loads a module as NSS does.
    pub fn load(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the module's initialisers are Rust's own.
        let symbol = unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!library.is_null(), "{:?}", CStr::from_ptr(libc::dlerror()));
            libc::dlsym(library, c"C_GetFunctionList".as_ptr())
        };
        assert!(!symbol.is_null());
        // SAFETY: PKCS#11 gives it this type.
        let get: CK_C_GetFunctionList = unsafe { std::mem::transmute(symbol) };
        let mut list = null_mut();
        // SAFETY: a place for the list.
        assert_eq!(unsafe { (get.unwrap())(&raw mut list) }, CKR_OK);
        // SAFETY: the list is part of the library.
        Self { functions: unsafe { &*list } }
    }

    /// Initialises it with a parameter string, as NSS and p11-kit do.
    pub fn initialise(&self, parameters: &str) -> CK_RV {
        let parameters = CString::new(parameters).unwrap();
        let mut arguments = CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags: CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS,
            pReserved: parameters.as_ptr().cast_mut().cast(),
        };
        call!(self, C_Initialize, (&raw mut arguments).cast())
    }

    /// Opens a session as NSS does.
    pub fn session(&self) -> Result<CK_SESSION_HANDLE, CK_RV> {
        let mut slot = 0;
        let mut count = 1;
        done(call!(self, C_GetSlotList, CK_TRUE, &raw mut slot, &raw mut count))?;
        let mut handle = 0;
        let flags = CKF_SERIAL_SESSION;
        done(call!(self, C_OpenSession, slot, flags, null_mut(), None, &raw mut handle))?;
        Ok(handle)
    }

    /// A whole search.
    pub fn find(
        &self,
        session: CK_SESSION_HANDLE,
        wanted: &[Attribute],
    ) -> Result<Vec<CK_OBJECT_HANDLE>, CK_RV> {
        let mut wanted = template(wanted);
        let count = wanted.len() as CK_ULONG;
        done(call!(self, C_FindObjectsInit, session, wanted.as_mut_ptr(), count))?;
        let mut found = Vec::new();
        loop {
            let mut page = [0; 3];
            let mut count = 0;
            done(call!(self, C_FindObjects, session, page.as_mut_ptr(), 3, &raw mut count))?;
            found.extend(&page[..count as usize]);
            if count == 0 {
                break;
            }
        }
        done(call!(self, C_FindObjectsFinal, session)).map(|()| found)
    }

    /// An attribute's value, in the two calls that it takes; None if the object has no such attribute.
    pub fn value(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Result<Option<Vec<u8>>, CK_RV> {
        let mut place = CK_ATTRIBUTE { type_: kind, pValue: null_mut(), ulValueLen: 0 };
        match call!(self, C_GetAttributeValue, session, object, &raw mut place, 1) {
            CKR_OK => {}
            CKR_ATTRIBUTE_TYPE_INVALID if place.ulValueLen == CK_UNAVAILABLE_INFORMATION => {
                return Ok(None);
            }
            error => return Err(error),
        }
        let mut value = vec![0_u8; place.ulValueLen as usize];
        place.pValue = value.as_mut_ptr().cast();
        done(call!(self, C_GetAttributeValue, session, object, &raw mut place, 1))?;
        assert_eq!(place.ulValueLen as usize, value.len());
        Ok(Some(value))
    }
}

/// The attributes as C has them. They point into the slice.
pub fn template(attributes: &[Attribute]) -> Vec<CK_ATTRIBUTE> {
    let raw = |(kind, value): &Attribute| CK_ATTRIBUTE {
        type_: *kind,
        pValue: if value.is_empty() { null() } else { value.as_ptr() }.cast_mut().cast::<c_void>(),
        ulValueLen: value.len() as CK_ULONG,
    };
    attributes.iter().map(raw).collect()
}

/// A number as an attribute's value.
pub fn number(number: CK_ULONG) -> Vec<u8> {
    number.to_ne_bytes().to_vec()
}

/// Whether a call did what it was asked.
pub fn done(code: CK_RV) -> Result<(), CK_RV> {
    if code == CKR_OK { Ok(()) } else { Err(code) }
}
