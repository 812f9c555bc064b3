//! Parameters: what openssl.cnf says to us, and what we say to `openssl list -providers`.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::{null, null_mut};

use peerkey_core::query::Fact;
use peerkey_guest::record::Sockets;

use crate::bindings::{
    OSSL_CORE_HANDLE, OSSL_DISPATCH, OSSL_FUNC_CORE_GET_PARAMS, OSSL_PARAM, OSSL_PARAM_INTEGER,
    OSSL_PARAM_UTF8_PTR,
};

const STATE_DIR: &CStr = c"state-dir";
const ON_ERROR: &CStr = c"on-error";
const JOURNAL: &CStr = c"journal-socket";
const SYSLOG: &CStr = c"syslog-socket";
const DEFAULT_STATE_DIR: &str = "/var/lib/peerkey";

/// What our section of openssl.cnf says, and what is known at init only.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The folder of the compiled policy.
    pub(crate) state_dir: PathBuf,
    /// What holds where no decision is possible.
    pub(crate) on_error: OnError,
    /// Where decisions are told beside the file of the record.
    pub(crate) sockets: Sockets,
    /// The executable that this process runs.
    pub(crate) executable: Fact<String>,
    /// Whether they could not be read.
    pub(crate) unread: bool,
}

/// `on-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Refuse. Also for a word that is not known.
    Reject,
    /// What the program itself says.
    Application,
}

impl Settings {
    /// Asks libcrypto for our section.
    ///
    /// # Safety
    ///
    /// `handle` and `core` are those that libcrypto passed to `OSSL_provider_init`.
    pub(crate) unsafe fn read(handle: *const OSSL_CORE_HANDLE, core: &[OSSL_DISPATCH]) -> Self {
        // SAFETY: as promised by the caller.
        let [state_dir, on_error, journal, syslog] =
            unsafe { section(handle, core, [STATE_DIR, ON_ERROR, JOURNAL, SYSLOG]) };
        let path = |value: Option<Vec<u8>>| value.map(|path| OsStr::from_bytes(&path).into());
        let usual = Sockets::default();
        Self {
            state_dir: state_dir
                .map_or_else(|| DEFAULT_STATE_DIR.into(), |dir| OsStr::from_bytes(&dir).into()),
            on_error: match on_error.as_deref() {
                Some(b"application") => OnError::Application,
                _ => OnError::Reject,
            },
            sockets: Sockets {
                journal: path(journal).unwrap_or(usual.journal),
                syslog: path(syslog).unwrap_or(usual.syslog),
            },
            executable: executable(),
            unread: false,
        }
    }

    /// What holds where the settings cannot be read: no policy is known, and every peer is refused.
    pub(crate) fn unread() -> Self {
        Self {
            state_dir: DEFAULT_STATE_DIR.into(),
            on_error: OnError::Reject,
            sockets: Sockets::default(),
            executable: Fact::Unknown,
            unread: true,
        }
    }
}

/// `/proc/self/exe`, where it can be read and is text. A file that was replaced keeps its name.
fn executable() -> Fact<String> {
    let path = std::fs::read_link("/proc/self/exe").ok();
    let path = path.and_then(|path| path.into_os_string().into_string().ok());
    path.map(|path| path.strip_suffix(" (deleted)").map_or(path.clone(), str::to_owned)).into()
}

/// The values of these keys in our section of openssl.cnf (provider-base(7), core_get_params).
unsafe fn section<const N: usize>(
    handle: *const OSSL_CORE_HANDLE,
    core: &[OSSL_DISPATCH],
    keys: [&CStr; N],
) -> [Option<Vec<u8>>; N] {
    type GetParams = unsafe extern "C" fn(*const OSSL_CORE_HANDLE, *mut OSSL_PARAM) -> c_int;
    let mut values = [null::<c_char>(); N];
    let mut params: Vec<OSSL_PARAM> =
        keys.iter().zip(&mut values).map(|(key, value)| text_param(key, value)).collect();
    params.push(end());
    let found = core.iter().find(|entry| entry.function_id == OSSL_FUNC_CORE_GET_PARAMS);
    if let Some(function) = found.and_then(|entry| entry.function) {
        // SAFETY: core_dispatch.h gives the function of this number this type.
        let get_params: GetParams = unsafe { std::mem::transmute(function) };
        // SAFETY: the handle came with it; the array is terminated, and its pointers are ours.
        unsafe { get_params(handle, params.as_mut_ptr()) };
    }
    values.map(|value| {
        // SAFETY: null, or the value as libcrypto keeps it: a C string.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes().to_vec())
    })
}

fn text_param(key: &CStr, value: *mut *const c_char) -> OSSL_PARAM {
    OSSL_PARAM {
        key: key.as_ptr(),
        data_type: OSSL_PARAM_UTF8_PTR as u32,
        data: value.cast(),
        data_size: 0,
        return_size: usize::MAX,
    }
}

const fn end() -> OSSL_PARAM {
    OSSL_PARAM { key: null(), data_type: 0, data: null_mut(), data_size: 0, return_size: 0 }
}

const NAME: &CStr = c"name";
const VERSION: &CStr = c"version";
const BUILD: &CStr = c"buildinfo";
const STATUS: &CStr = c"status";
const OUR_NAME: &CStr = c"peerkey";
const OUR_VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

struct Gettable([OSSL_PARAM; 5]);

// SAFETY: it is never written, and points at constants only.
unsafe impl Sync for Gettable {}

static GETTABLE: Gettable = Gettable([
    describe(NAME, OSSL_PARAM_UTF8_PTR),
    describe(VERSION, OSSL_PARAM_UTF8_PTR),
    describe(BUILD, OSSL_PARAM_UTF8_PTR),
    describe(STATUS, OSSL_PARAM_INTEGER),
    end(),
]);

const fn describe(key: &'static CStr, data_type: i32) -> OSSL_PARAM {
    OSSL_PARAM {
        key: key.as_ptr(),
        data_type: data_type as u32,
        data: null_mut(),
        data_size: 0,
        return_size: 0,
    }
}

/// What `get_params` answers.
pub(crate) fn gettable() -> *const OSSL_PARAM {
    GETTABLE.0.as_ptr()
}

/// Fills in what is asked for (provider-base(7), provider_get_params); `inert` says why the copy that
/// asks is not hooked, if it is not.
///
/// # Safety
///
/// `params` is an array of OSSL_PARAM that ends with a null key.
pub(crate) unsafe fn answer(mut params: *mut OSSL_PARAM, inert: Option<&'static CStr>) -> bool {
    let mut filled = true;
    // SAFETY: the array is terminated.
    while let Some(param) = unsafe { params.as_mut() }.filter(|param| !param.key.is_null()) {
        // SAFETY: a key is a C string.
        let key = unsafe { CStr::from_ptr(param.key) };
        filled &= if key == NAME {
            put_text(param, OUR_NAME)
        } else if key == VERSION {
            put_text(param, OUR_VERSION)
        } else if key == BUILD {
            put_text(param, inert.unwrap_or(OUR_VERSION))
        } else if key == STATUS {
            put_number(param, i32::from(inert.is_none()))
        } else {
            true
        };
        // SAFETY: this entry was not the last.
        params = unsafe { params.add(1) };
    }
    filled
}

fn put_text(param: &mut OSSL_PARAM, text: &'static CStr) -> bool {
    if param.data_type != OSSL_PARAM_UTF8_PTR as u32 {
        return false;
    }
    param.return_size = text.count_bytes();
    if !param.data.is_null() {
        // SAFETY: OSSL_PARAM(3): a UTF8_PTR's data is where to put a pointer.
        unsafe { param.data.cast::<*const c_char>().write_unaligned(text.as_ptr()) };
    }
    true
}

fn put_number(param: &mut OSSL_PARAM, number: i32) -> bool {
    let bytes: &[u8] = match param.data_size {
        8 => &i64::from(number).to_ne_bytes(),
        _ => &number.to_ne_bytes(),
    };
    param.return_size = bytes.len();
    if param.data.is_null() {
        return true;
    }
    if param.data_size != bytes.len() {
        return false;
    }
    // SAFETY: OSSL_PARAM(3): the data has room for `data_size` bytes.
    unsafe { param.data.copy_from_nonoverlapping(bytes.as_ptr().cast::<c_void>(), bytes.len()) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn fake_get_params(
        _: *const OSSL_CORE_HANDLE,
        params: *mut OSSL_PARAM,
    ) -> c_int {
        for i in 0..2 {
            // SAFETY: the caller under test asks for two keys.
            let param = unsafe { &mut *params.add(i) };
            // SAFETY: keys are C strings.
            let text = match unsafe { CStr::from_ptr(param.key) } == STATE_DIR {
                true => c"/tmp/x".as_ptr(),
                false => c"application".as_ptr(),
            };
            // SAFETY: the data of a UTF8_PTR is a place for a pointer.
            unsafe { *param.data.cast::<*const c_char>() = text };
        }
        1
    }

    #[test]
    fn settings_come_from_the_section() {
        let function =
            // SAFETY: called back through the type that it has.
            unsafe { std::mem::transmute::<*const (), unsafe extern "C" fn()>(fake_get_params as _) };
        let core =
            [OSSL_DISPATCH { function_id: OSSL_FUNC_CORE_GET_PARAMS, function: Some(function) }];
        // SAFETY: the fake takes any handle.
        let settings = unsafe { Settings::read(null(), &core) };
        assert_eq!(settings.state_dir, PathBuf::from("/tmp/x"));
        assert_eq!(settings.on_error, OnError::Application);
        assert!(settings.executable.known().is_some());
        // SAFETY: without core functions nothing is called.
        let settings = unsafe { Settings::read(null(), &[]) };
        assert_eq!(settings.state_dir, PathBuf::from(DEFAULT_STATE_DIR));
        assert_eq!(settings.on_error, OnError::Reject);
    }

    #[test]
    fn params_are_answered_in_their_own_size() {
        let (mut name, mut status, mut wide) = (null::<c_char>(), -1_i32, -1_i64);
        let number = |data: *mut c_void, size| OSSL_PARAM {
            data,
            data_size: size,
            ..describe(STATUS, OSSL_PARAM_INTEGER)
        };
        let mut params = [
            text_param(NAME, &raw mut name),
            number((&raw mut status).cast(), 4),
            number((&raw mut wide).cast(), 8),
            end(),
        ];
        // SAFETY: the array is terminated.
        assert!(unsafe { answer(params.as_mut_ptr(), None) });
        // SAFETY: just filled in.
        assert_eq!(unsafe { CStr::from_ptr(name) }, c"peerkey");
        assert_eq!((status, wide), (1, 1));
    }
}
