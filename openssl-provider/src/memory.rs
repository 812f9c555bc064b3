//! Copies of what C functions hand out.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::null_mut;

/// A copy of a C string.
///
/// # Safety
///
/// `string` is null or a C string.
pub(crate) unsafe fn text(string: *const c_char) -> Option<Vec<u8>> {
    // SAFETY: as promised.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_bytes().to_vec())
}

/// What an i2d function writes.
///
/// # Safety
///
/// `encode` returns the length that it wrote, and writes the same each time.
pub(crate) unsafe fn encoded(encode: impl Fn(*mut *mut u8) -> c_int) -> Option<Vec<u8>> {
    let length = usize::try_from(encode(null_mut())).ok().filter(|length| *length > 0)?;
    let mut bytes = vec![0; length];
    let mut end = bytes.as_mut_ptr();
    let written = usize::try_from(encode(&raw mut end)).ok()?;
    (written == length).then_some(bytes)
}
