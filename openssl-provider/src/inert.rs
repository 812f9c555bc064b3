//! Copies of OpenSSL that loaded us and cannot be hooked: each is remembered once, with its path.

use std::ffi::{CStr, CString, c_void};
use std::sync::Mutex;

use peerkey_core::certificate::printable;

use crate::objects::Object;
use peerkey_guest::recent::soon;

/// More copies than this are not told apart.
const MOST: usize = 16;

/// What `openssl list -providers -verbose` shows as build info of such a copy.
const ANY: &CStr = c"inert: this copy of OpenSSL cannot be hooked";

static KNOWN: Mutex<Vec<(usize, &'static CStr)>> = Mutex::new(Vec::new());

/// Why the copy that holds this function is left alone, in words.
pub(crate) fn because(function: Option<*const c_void>) -> &'static CStr {
    let Some(object) = function.and_then(Object::of) else { return ANY };
    let known = |known: &[(usize, &'static CStr)]| {
        known.iter().find(|(base, _)| *base == object.base).map(|(_, words)| *words)
    };
    let Some(mut list) = soon(&KNOWN) else { return ANY };
    if let Some(words) = known(&list) {
        return words;
    }
    if list.len() >= MOST {
        return ANY;
    }
    let path = object.path().unwrap_or_else(|| "the program".into());
    let words = printable(&format!("inert: {} hides its OpenSSL's functions", path.display()));
    // OpenSSL gets pointers to it, and may keep them.
    let words: &'static CStr =
        Box::leak(CString::new(words).unwrap_or_default().into_boxed_c_str());
    list.push((object.base, words));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_named_by_its_path() {
        let words = because(Some(libc::malloc as *const c_void));
        let text = words.to_str().unwrap();
        assert!(text.contains("libc.so.6 hides"), "{text}");
        assert_eq!(because(Some(libc::free as *const c_void)).as_ptr(), words.as_ptr());
        let here = because(Some(because as *const c_void)).to_str().unwrap();
        assert!(here.contains("peerkey_openssl"), "{here}");
        assert_eq!(because(None), ANY);
    }
}
