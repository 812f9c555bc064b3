//! Copies of OpenSSL that loaded us and cannot be hooked: each is remembered once, with its path.

use std::ffi::{CStr, CString, c_void};
use std::sync::{Arc, Mutex};

use peerkey_core::certificate::printable;

use crate::objects::Object;
use crate::params::Settings;
use peerkey_guest::folder::Folder;
use peerkey_guest::keys::{Books, Surroundings};
use peerkey_guest::recent::soon;
use peerkey_guest::record::Record;

/// More copies than this are not told apart.
const MOST: usize = 16;

/// What `openssl list -providers -verbose` shows as build info of such a copy.
const ANY: &CStr = c"inert: this copy of OpenSSL cannot be hooked";

static KNOWN: Mutex<Vec<(usize, &'static CStr)>> = Mutex::new(Vec::new());

/// Why the copy that holds this function is left alone, in words.
/// `met` is told of a copy that was not met before.
pub(crate) fn because(
    function: Option<*const c_void>,
    met: impl FnOnce(&'static CStr),
) -> &'static CStr {
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
    drop(list);
    met(words);
    words
}

/// Writes into the record that a copy is not hooked.
pub(crate) fn note(settings: &Settings, words: &CStr) {
    let folder = Arc::new(Folder::new(&settings.state_dir));
    let books = Books::new(&folder, Surroundings::of_now());
    let words = words.to_string_lossy();
    let application = settings.executable.known().map(|path| printable(path));
    Record::new(&settings.sockets).note(&books, "not-hooked", &words, application.as_deref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_named_by_its_path() {
        let mut met = 0;
        let words = because(Some(libc::malloc as *const c_void), |_| met += 1);
        let text = words.to_str().unwrap();
        assert!(text.contains("libc.so.6 hides"), "{text}");
        assert_eq!(met, 1);
        assert_eq!(
            because(Some(libc::free as *const c_void), |_| panic!()).as_ptr(),
            words.as_ptr()
        );
        let here = because(Some(note as *const c_void), |_| ()).to_str().unwrap();
        assert!(here.contains("peerkey_openssl"), "{here}");
        assert_eq!(because(None, |_| panic!()), ANY);
    }
}
