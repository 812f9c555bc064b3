//! The libraries that are loaded in this process, and which of them holds an address.

use std::ffi::{CStr, CString, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use libloading::os::unix::Library;

/// A loaded library, or the executable itself (which has no name).
pub(crate) struct Object {
    name: CString,
    /// Where it is loaded; two objects never share it.
    pub(crate) base: usize,
    segments: Vec<(usize, usize)>,
}

impl Object {
    /// Every object of this process, in the loader's order.
    pub(crate) fn all() -> Vec<Self> {
        let mut objects: Vec<Self> = Vec::new();
        // SAFETY: `collect` gets the pointer to `objects` back while this call lasts.
        unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut objects).cast()) };
        objects
    }

    /// The object that holds an address.
    pub(crate) fn of(address: *const c_void) -> Option<Self> {
        Self::all().into_iter().find(|object| object.holds(address as usize))
    }

    fn holds(&self, address: usize) -> bool {
        self.segments.iter().any(|(start, length)| address.wrapping_sub(*start) < *length)
    }

    /// The file that it was loaded from.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self.name.to_bytes() {
            [] => std::fs::read_link("/proc/self/exe").ok(),
            name => Some(OsStr::from_bytes(name).into()),
        }
    }

    /// A handle for looking up symbols; nothing is loaded for it.
    pub(crate) fn open(&self) -> Option<Library> {
        let name = (!self.name.is_empty()).then(|| OsStr::from_bytes(self.name.to_bytes()));
        // SAFETY: RTLD_NOLOAD: the object is loaded already, so no initialiser runs.
        unsafe { Library::open(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD) }.ok()
    }
}

/// The address of a symbol, as a look-up in `library` finds it.
pub(crate) fn address(library: &Library, symbol: &CStr) -> Option<*const c_void> {
    // SAFETY: the symbol is only taken as an address, whatever its type is.
    let found = unsafe { library.get::<*const c_void>(symbol.to_bytes_with_nul()) }.ok()?;
    Some(*found)
}

unsafe extern "C" fn collect(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    objects: *mut c_void,
) -> c_int {
    peerkey_guest::entry::guarded("objects", 1, || {
        // SAFETY: the loader passes a valid description, and the pointer that `all` gave it.
        let (info, objects) = unsafe { (&*info, &mut *objects.cast::<Vec<Object>>()) };
        let name = match info.dlpi_name.is_null() {
            true => CString::default(),
            // SAFETY: not null, and a C string by dl_iterate_phdr(3).
            false => unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned(),
        };
        // SAFETY: dl_iterate_phdr(3): `dlpi_phdr` has `dlpi_phnum` entries.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let base = info.dlpi_addr as usize;
        let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let segments =
            loaded.map(|h| (base.wrapping_add(h.p_vaddr as usize), h.p_memsz as usize)).collect();
        objects.push(Object { name, base, segments });
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_one_object() {
        let here = Object::of(collect as *const c_void).unwrap();
        let libc = Object::of(libc::malloc as *const c_void).unwrap();
        assert_ne!(here.base, libc.base);
        let malloc = address(&libc.open().unwrap(), c"malloc").unwrap();
        assert_eq!(Object::of(malloc).unwrap().base, libc.base);
        assert!(Object::of(std::ptr::null()).is_none());
    }
}
