//! What a program or a library carries: which libraries it asks for, and whose TLS it has in itself.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use memchr::memmem;
use object::read::elf::{Dyn, ElfFile32, ElfFile64, FileHeader};
use object::read::{ReadCache, ReadRef};
use object::{Architecture, FileKind, Object, ObjectSection, elf};

/// Smaller programs hold no TLS of their own.
const LEAST: u64 = 600 << 10;
/// Of larger ones the beginning is looked at.
const MOST: u64 = 300 << 20;

/// Whose TLS a program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stack {
    /// OpenSSL 3 or newer, as a library.
    OpenSsl,
    /// A copy of OpenSSL 3 or newer within the program.
    OwnOpenSsl,
    /// OpenSSL before 3, which has no providers.
    OldOpenSsl,
    /// GnuTLS.
    GnuTls,
    /// Go's own.
    Go,
    /// rustls.
    Rustls,
    /// BoringSSL or AWS-LC.
    BoringSsl,
    /// Mbed TLS or wolfSSL.
    Small,
    /// NSS.
    Nss,
}

impl Stack {
    /// For people.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::OpenSsl => "OpenSSL",
            Self::OwnOpenSsl => "a copy of OpenSSL 3 of their own",
            Self::OldOpenSsl => "OpenSSL before 3",
            Self::GnuTls => "GnuTLS",
            Self::Go => "Go's own TLS",
            Self::Rustls => "rustls",
            Self::BoringSsl => "BoringSSL or AWS-LC",
            Self::Small => "Mbed TLS or wolfSSL",
            Self::Nss => "NSS",
        }
    }

    /// By the name of a library: as it is asked for, or as it is mapped.
    pub(super) fn of_library(name: &str) -> Option<Self> {
        let openssl = ["libssl.so.", "libssl-", "libcrypto.so.1", "libcrypto-"];
        if openssl.iter().any(|start| name.starts_with(start)) {
            let major = name.split(".so.").nth(1).and_then(|version| version.bytes().next());
            return match major {
                Some(b'0' | b'1') => Some(Self::OldOpenSsl),
                Some(_) if name.starts_with("libssl") => Some(Self::OpenSsl),
                _ => None,
            };
        }
        LIBRARIES
            .iter()
            .find(|(start, _)| name.starts_with(start) && name.contains(".so"))
            .map(|(_, stack)| *stack)
    }
}

const LIBRARIES: [(&str, Stack); 8] = [
    ("libgnutls", Stack::GnuTls),
    ("libcurl-gnutls", Stack::GnuTls),
    ("libboringssl", Stack::BoringSsl),
    ("libmbedtls", Stack::Small),
    ("libwolfssl", Stack::Small),
    ("libnss3", Stack::Nss),
    ("libssl3.so", Stack::Nss),
    ("libxul", Stack::Nss),
];

/// Texts that a TLS library leaves in a program.
const TEXTS: [(&[u8], Stack); 7] = [
    (b"OpenSSL 1.1.", Stack::OldOpenSsl),
    (b"OpenSSL 1.0.", Stack::OldOpenSsl),
    (b"/rustls-0.", Stack::Rustls),
    (b"BoringSSL", Stack::BoringSsl),
    (b"aws-lc-sys-", Stack::BoringSsl),
    (b"third_party/boringssl/", Stack::BoringSsl),
    (b"OPENSSL_CONF\0", Stack::OwnOpenSsl),
];

/// What a file is found to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The libraries that it asks for by name (DT_NEEDED).
    pub(super) needed: Vec<String>,
    /// Whether Go built it.
    pub(super) is_go: bool,
    /// The processor that it is for.
    pub(super) processor: Option<Architecture>,
}

/// Reads the head of an ELF file; None if it is none.
pub(super) fn read(path: &Path) -> Option<Found> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|m| m.is_file()))?;
    let data = ReadCache::new(file);
    match FileKind::parse(&data).ok()? {
        FileKind::Elf64 => {
            let file = ElfFile64::<object::Endianness, _>::parse(&data).ok()?;
            let needed = needed(file.elf_header(), &data);
            Some(found(&file, needed))
        }
        FileKind::Elf32 => {
            let file = ElfFile32::<object::Endianness, _>::parse(&data).ok()?;
            let needed = needed(file.elf_header(), &data);
            Some(found(&file, needed))
        }
        _ => None,
    }
}

fn found<'data>(file: &impl Object<'data>, needed: Vec<String>) -> Found {
    let is_go = file.section_by_name(".go.buildinfo").is_some_and(|section| section.size() > 0);
    Found { needed, is_go, processor: Some(file.architecture()) }
}

/// The libraries in the dynamic section; none in a program without one.
fn needed<'data, Elf: FileHeader, R: ReadRef<'data>>(header: &Elf, data: R) -> Vec<String> {
    let names = || -> object::Result<Vec<String>> {
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let Some((entries, strings)) = sections.dynamic(endian, data)? else {
            return Ok(Vec::new());
        };
        let strings = sections.strings(endian, data, strings)?;
        let wanted = entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED);
        wanted
            .map(|entry| {
                let name = entry.string(endian, strings)?;
                Ok(String::from_utf8_lossy(name).into_owned())
            })
            .collect()
    };
    names().unwrap_or_default()
}

/// The libraries of a system, each looked at once.
pub(super) struct Libraries {
    folders: Vec<PathBuf>,
    known: HashMap<String, Vec<String>>,
}

/// Libraries of libraries of libraries: a program that gets its TLS from further down does not call it.
const DEEPEST: usize = 3;

impl Libraries {
    /// Below a root: Debian's folders, Fedora's and one's own.
    pub(super) fn of(root: &Path) -> Self {
        let mut folders = Vec::new();
        for folder in ["lib64", "usr/lib64", "lib", "usr/lib", "usr/local/lib"] {
            let folder = root.join(folder);
            let inner = fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path());
            folders.extend(inner.filter(|path| path.to_string_lossy().contains("-linux-")));
            folders.push(folder);
        }
        Self { folders, known: HashMap::new() }
    }

    /// Whose TLS is nearest to a program: in what it asks for, or in what that asks for.
    pub(super) fn stacks(&mut self, needed: &[String]) -> Vec<Stack> {
        let mut level = needed.to_vec();
        let mut seen = HashSet::new();
        for _ in 0..DEEPEST {
            let mut stacks: Vec<_> =
                level.iter().filter_map(|name| Stack::of_library(name)).collect();
            if !stacks.is_empty() {
                stacks.sort();
                stacks.dedup();
                return stacks;
            }
            let mut next = Vec::new();
            for name in level {
                if seen.insert(name.clone()) {
                    next.extend_from_slice(self.needed(&name));
                }
            }
            level = next;
        }
        Vec::new()
    }

    fn needed(&mut self, name: &str) -> &[String] {
        let folders = &self.folders;
        self.known.entry(name.to_owned()).or_insert_with(|| {
            let found = folders.iter().find_map(|folder| read(&folder.join(name)));
            found.map(|found| found.needed).unwrap_or_default()
        })
    }
}

/// What the text of a program gives away, as far as it can be read until then.
pub(super) fn carried(path: &Path, is_go: bool, deadline: Instant) -> Vec<Stack> {
    const STEP: usize = 4 << 20;
    const OVERLAP: usize = 64;
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    if file.metadata().map_or(0, |meta| meta.len()) < LEAST {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (mut buffer, mut at) = (Vec::with_capacity(STEP), 0_u64);
    while at < MOST && Instant::now() < deadline {
        buffer.clear();
        let read = file.by_ref().take(STEP as u64).read_to_end(&mut buffer);
        let Ok(read @ 1..) = read else { break };
        let has = |text: &[u8]| memmem::find(&buffer, text).is_some();
        if is_go {
            // Not every program in Go speaks TLS.
            if has(b"crypto/tls.(*Conn)") {
                return vec![Stack::Go];
            }
        } else {
            let texts = TEXTS.iter().filter(|(text, stack)| !found.contains(stack) && has(text));
            let new: Vec<_> = texts.map(|(_, stack)| *stack).collect();
            found.extend(new);
        }
        if read < STEP {
            break;
        }
        at += (STEP - OVERLAP) as u64;
        if file.seek(SeekFrom::Start(at)).is_err() {
            break;
        }
    }
    // Both have what a copy of OpenSSL has.
    if found.iter().any(|stack| matches!(stack, Stack::BoringSsl | Stack::OldOpenSsl)) {
        found.retain(|stack| *stack != Stack::OwnOpenSsl);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_names() {
        for (name, stack) in [
            ("libssl.so.3", Some(Stack::OpenSsl)),
            ("libssl.so.4", Some(Stack::OpenSsl)),
            ("libssl-5a1f0d.so.3", Some(Stack::OpenSsl)),
            ("libssl.so.1.1", Some(Stack::OldOpenSsl)),
            ("libcrypto.so.1.0.0", Some(Stack::OldOpenSsl)),
            ("libcrypto.so.3", None),
            ("libgnutls.so.30", Some(Stack::GnuTls)),
            ("libcurl-gnutls.so.4", Some(Stack::GnuTls)),
            ("libssl3.so", Some(Stack::Nss)),
            ("libc.so.6", None),
        ] {
            assert_eq!(Stack::of_library(name), stack, "{name}");
        }
    }

    #[test]
    fn this_very_program_asks_for_libraries() {
        let own = std::env::current_exe().unwrap();
        let found = read(&own).unwrap();
        assert!(found.needed.iter().any(|name| name.starts_with("libc.so")), "{found:?}");
        assert!(!found.is_go && found.processor.is_some());
        assert!(read(Path::new("/etc/passwd")).is_none());
        assert!(read(Path::new("/")).is_none());
    }
}
