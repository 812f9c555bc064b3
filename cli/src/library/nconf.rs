//! openssl.cnf as libcrypto itself reads it (config(5), NCONF_load(3)): with its quotes, continuations,
//! variables and includes, and sections that are written in several pieces.

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl_sys::{CONF, NCONF_default, NCONF_free, NCONF_new};
use openssl_sys::{OPENSSL_STACK, OPENSSL_sk_num, OPENSSL_sk_value};

/// CONF_VALUE, <openssl/conf.h>.
#[repr(C)]
struct Value {
    section: *mut c_char,
    name: *mut c_char,
    value: *mut c_char,
}

unsafe extern "C" {
    fn NCONF_load(conf: *mut CONF, file: *const c_char, line: *mut c_long) -> c_int;
    fn NCONF_get_section(conf: *const CONF, section: *const c_char) -> *mut OPENSSL_STACK;
}

/// A configuration that was read.
pub struct Conf(*mut CONF);

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { NCONF_free(self.0) }
    }
}

/// Why a configuration cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The line, from 1, where it is known.
    pub line: Option<i64>,
    /// In libcrypto's words.
    pub why: String,
}

impl Conf {
    /// Reads a file, with all that it includes.
    pub fn load(path: &Path) -> Result<Self, Misread> {
        super::start();
        let misread =
            |line: c_long| Misread { line: (line > 0).then_some(line), why: last_words() };
        let Ok(file) = CString::new(path.as_os_str().as_bytes()) else { return Err(misread(0)) };
        // SAFETY: the method is a constant of the library's; a new object, or NULL.
        let raw = unsafe { NCONF_new(NCONF_default()) };
        if raw.is_null() {
            return Err(misread(0));
        }
        let conf = Self(raw);
        let mut line = 0;
        // SAFETY: a new object, a text that ends with NUL, and room for a number.
        match unsafe { NCONF_load(conf.0, file.as_ptr(), &raw mut line) } {
            1 => Ok(conf),
            _ => Err(misread(line)),
        }
    }

    /// The names and values of a section, in no order; None if there is no such section. What stands
    /// before the first section is `default`.
    pub fn section(&self, name: &str) -> Option<Vec<(String, String)>> {
        let name = CString::new(name).ok()?;
        // SAFETY: a live object, and a text that ends with NUL. The stack belongs to the object.
        let stack = unsafe { NCONF_get_section(self.0, name.as_ptr()) };
        if stack.is_null() {
            // It leaves an error behind.
            drop(ErrorStack::get());
            return None;
        }
        // SAFETY: a live stack of CONF_VALUE; the index is below its length.
        let at = |index| unsafe { OPENSSL_sk_value(stack, index).cast::<Value>().as_ref() };
        // SAFETY: as above.
        let values = (0..unsafe { OPENSSL_sk_num(stack) }).filter_map(at);
        // SAFETY: texts that end with NUL, of the object that is borrowed here.
        Some(values.map(|value| unsafe { (text(value.name), text(value.value)) }).collect())
    }

    /// One value of a section.
    pub fn value(&self, section: &str, name: &str) -> Option<String> {
        let values = self.section(section)?;
        values.into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }
}

/// # Safety
/// NULL, or a text that ends with NUL.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn last_words() -> String {
    let stack = ErrorStack::get();
    let reason = stack.errors().iter().rev().find_map(|error| {
        let data = error.data().map(|data| format!(" ({data})")).unwrap_or_default();
        error.reason().map(|reason| format!("{reason}{data}"))
    });
    reason.unwrap_or_else(|| "OpenSSL cannot read it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_openssl_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let path = folder.path().join("openssl.cnf");
        write("more.cnf", "[a]\nfour = 4\n");
        let more = folder.path().join("more.cnf");
        let text = format!(
            "x = \"1 # not a comment\" # one\r\ny = ${{x}}\\\n2\n[a]\none = 1\n[b]\n.include {}\n[a]\none = 2\n",
            more.display()
        );
        write("openssl.cnf", &text);
        let conf = Conf::load(&path).unwrap();
        assert_eq!(conf.value("default", "x").unwrap(), "1 # not a comment");
        assert_eq!(conf.value("default", "y").unwrap(), "1 # not a comment2");
        let mut a = conf.section("a").unwrap();
        a.sort();
        assert_eq!(a, [("four".into(), "4".into()), ("one".into(), "2".into())]);
        assert_eq!(conf.section("c"), None);
        write("openssl.cnf", "a = 1\n[b\n");
        let misread = Conf::load(&path).err().unwrap();
        assert_eq!(misread.line, Some(2), "{}", misread.why);
        assert!(Conf::load(&folder.path().join("none")).is_err());
    }
}
