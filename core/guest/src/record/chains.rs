//! The certificates that were presented, each chain once, under the hash of its content: a record can be
//! decided again under another policy.

use std::borrow::Cow;
use std::ffi::CString;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use super::file::write;
use super::stamp::random;
use crate::folder::{FileId, Folder};
use crate::recent::{Recent, soon};

/// The folder, beside the record.
const FOLDER: &str = "chains";
/// A longer chain is not kept (OpenSSL takes 100 kB from a peer).
const LONGEST: usize = 128 << 10;
/// No more chains than this are kept, nor more octets: the oldest go, until a quarter is free.
const MOST: usize = 2000;
const MOST_OCTETS: i64 = 20 << 20;
/// One of so many new chains looks how many there are.
const LOOKS: u64 = 32;
/// What this process knows to be there is looked for again after this time, and so long a chain that is
/// met counts as new.
const KNOWN: Duration = Duration::from_secs(60);

/// A longer chain is hashed each time that it is met.
const LONGEST_COMPARED: usize = 16 << 10;

/// Which chains are there, as far as this process knows.
pub(super) struct Chains {
    known: Mutex<Recent<[u8; 32], Known>>,
    /// The one that was met last: most programs meet one again and again.
    last: Mutex<Option<Met>>,
    /// The folder, and beside which record it is.
    folder: Mutex<Option<[Arc<Folder>; 2]>>,
}

/// Since when a chain is known to be kept, and beside which record.
#[derive(Clone)]
struct Known {
    at: Instant,
    beside: Weak<Folder>,
}

impl Known {
    fn is_beside(&self, record: &Arc<Folder>) -> bool {
        std::ptr::eq(self.beside.as_ptr(), Arc::as_ptr(record))
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() <= KNOWN
    }
}

struct Met {
    octets: Vec<u8>,
    name: Arc<str>,
    known: Known,
}

impl Chains {
    pub(super) fn new() -> Self {
        let known = Mutex::new(Recent::new(256));
        Self { known, last: Mutex::new(None), folder: Mutex::new(None) }
    }

    /// Keeps a chain in the folder beside the record, if that may be written to (`is_free`). The name
    /// under which it is kept.
    pub(super) fn keep(
        &self,
        beside: &Arc<Folder>,
        chain: &[Cow<'_, [u8]>],
        is_free: impl FnOnce() -> bool,
    ) -> Option<Arc<str>> {
        if let Some(last) = soon(&self.last)
            && let Some(met) = &*last
            && met.known.is_beside(beside)
            && met.known.is_fresh()
            && is_of(chain, &met.octets)
        {
            return Some(Arc::clone(&met.name));
        }
        let octets: usize = chain.iter().map(|der| der.len()).sum();
        if octets == 0 || octets > LONGEST {
            return None;
        }
        let mut hash = Sha256::new();
        chain.iter().for_each(|der| hash.update(der));
        let hash: [u8; 32] = hash.finalize().into();
        let name: Arc<str> = HEXLOWER.encode(&hash).into();
        let known = soon(&self.known).and_then(|known| known.get(&hash));
        let known = match known.filter(|known| known.is_beside(beside)) {
            Some(known) if known.is_fresh() => known,
            // What was there may still be.
            known if !is_free() => return known.map(|_| name),
            _ => {
                store(&*self.folder(beside)?, &name, chain)?;
                let now = Known { at: Instant::now(), beside: Arc::downgrade(beside) };
                let forgotten = soon(&self.known).map(|mut known| known.put(hash, now.clone()));
                drop(forgotten);
                now
            }
        };
        if octets <= LONGEST_COMPARED {
            let met = Some(Met { octets: chain.concat(), name: Arc::clone(&name), known });
            let before = soon(&self.last).map(|mut last| std::mem::replace(&mut *last, met));
            drop(before);
        }
        Some(name)
    }

    /// Kept, because folders stay open.
    fn folder(&self, beside: &Arc<Folder>) -> Option<Arc<Folder>> {
        let mut known = soon(&self.folder)?;
        if let Some([_, folder]) = known.as_ref().filter(|known| Arc::ptr_eq(&known[0], beside)) {
            return Some(Arc::clone(folder));
        }
        let folder = Arc::new(Folder::own_below(beside, Path::new(FOLDER))?);
        *known = Some([Arc::clone(beside), Arc::clone(&folder)]);
        Some(folder)
    }
}

/// Whether these are all the octets of a chain.
fn is_of(chain: &[Cow<'_, [u8]>], octets: &[u8]) -> bool {
    let rest = chain.iter().try_fold(octets, |rest, der| rest.strip_prefix(&**der));
    rest.is_some_and(<[u8]>::is_empty)
}

fn store(folder: &Folder, name: &str, chain: &[Cow<'_, [u8]>]) -> Option<()> {
    if !folder.is_there().ok()? {
        folder.make().ok()?;
    }
    let c_name = CString::new(name).ok()?;
    match folder.look(&c_name) {
        Ok(file) => {
            if file.age().is_none_or(|age| age > KNOWN) {
                folder.touch(&c_name).ok();
            }
            return Some(());
        }
        Err(error) if !error.is_missing => return None,
        Err(_) => {}
    }
    let random = random();
    let beside = CString::new(format!(".{name}.{random:016x}")).ok()?;
    let descriptor = folder.open_new(&beside).ok()?;
    let pem = pem(chain);
    let written = descriptor.checked().and_then(|number| write(number, &pem).ok());
    drop(descriptor);
    if written != Some(pem.len()) || folder.rename(&beside, &c_name).is_err() {
        let _ = folder.remove(&beside);
        return None;
    }
    if random.is_multiple_of(LOOKS) {
        prune(folder, MOST, MOST_OCTETS);
    }
    Some(())
}

/// Takes the oldest away where there are too many. What a process left half written is among them.
pub(super) fn prune(folder: &Folder, most: usize, most_octets: i64) {
    let Ok(names) = folder.names() else { return };
    let look = |name: CString| folder.look(&name).ok().map(|file| (name, file));
    let mut files: Vec<(CString, FileId)> = names.into_iter().filter_map(look).collect();
    let mut octets: i64 = files.iter().map(|(_, file)| file.size).sum();
    if files.len() <= most && octets <= most_octets {
        return;
    }
    files.sort_by_key(|(_, file)| std::cmp::Reverse(file.modified()));
    while files.len() > most * 3 / 4 || octets > most_octets * 3 / 4 {
        let Some((name, file)) = files.pop() else { return };
        octets -= file.size;
        let _ = folder.remove(&name);
    }
}

/// RFC 7468.
fn pem(chain: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    for der in chain {
        let base64 = BASE64.encode(der);
        out.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in base64.as_bytes().chunks(64) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        out.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
    out
}
