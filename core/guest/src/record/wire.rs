//! The socket: to the journal in its own protocol, else to the system's log (RFC 3164).
//!
//! It is connected at init, because later the process may see neither path. It never blocks, and what it
//! does not take is lost. It is written to as files are: a host that confines itself leaves itself that.

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use peerkey_core::record::Stamp;
use peerkey_core::verdict::Outcome;

use super::Entry;
use crate::folder::Descriptor;
use crate::fork::process_id;

/// Where the journal and the system's log take messages.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// systemd-journald's own socket (systemd-journald.service(8)).
    pub journal: PathBuf,
    /// syslog(3)'s.
    pub syslog: PathBuf,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { journal: "/run/systemd/journal/socket".into(), syslog: "/dev/log".into() }
    }
}

/// RFC 3164 section 4.1.1: authpriv.
const FACILITY: u8 = 10;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Journal,
    Syslog,
}

/// The connected socket, if there is one.
pub(super) struct Wire(Option<Connected>);

struct Connected {
    descriptor: Descriptor,
    kind: Kind,
    path: PathBuf,
}

impl Wire {
    pub(super) fn new(sockets: &Sockets) -> Self {
        let to = |path: &Path, kind| {
            Some(Connected { descriptor: connect(path).ok()?, kind, path: path.to_owned() })
        };
        let journal = to(&sockets.journal, Kind::Journal);
        Self(journal.or_else(|| to(&sockets.syslog, Kind::Syslog)))
    }

    /// Sends a line: to the journal always, to the system's log if it is `kept` nowhere else. Where the log
    /// was started anew since, it is looked for again, if that can be (`may_connect`).
    pub(super) fn send(
        &self,
        entry: &Entry<'_>,
        stamp: &Stamp<'_>,
        line: &str,
        kept: bool,
        may_connect: impl FnOnce() -> bool,
    ) -> bool {
        let Some(connected) = &self.0 else { return false };
        let message = match connected.kind {
            Kind::Journal => for_journal(entry, stamp, line),
            Kind::Syslog if !kept => for_syslog(entry, line),
            Kind::Syslog => return false,
        };
        match connected.send(&message) {
            Err(error) if is_gone(&error) && may_connect() => {
                let again = connected.descriptor.checked().is_some_and(|number| {
                    address(&connected.path).is_ok_and(|address| join(number, &address).is_ok())
                });
                again && connected.send(&message).is_ok()
            }
            sent => sent.is_ok(),
        }
    }
}

impl Wire {
    /// Sends what is no decision, as [`Wire::send`] does.
    pub(super) fn tell(&self, words: &str, line: &str, kept: bool) {
        let Some(connected) = &self.0 else { return };
        let message = match connected.kind {
            Kind::Journal => format!(
                "MESSAGE={words}\nPRIORITY={WARNING}\nSYSLOG_IDENTIFIER=peerkey\nPEERKEY_RECORD={line}"
            ),
            Kind::Syslog if !kept => {
                let number = FACILITY * 8 + WARNING;
                format!("<{number}>peerkey[{}]: {}", process_id(), line.trim_end())
            }
            Kind::Syslog => return,
        };
        // Where it is not taken, there is nobody left to tell.
        let _ = connected.send(message.as_bytes());
    }
}

/// The other end is: the first write says so, and those after it that there is none.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected)
}

impl Connected {
    fn send(&self, message: &[u8]) -> io::Result<()> {
        let number = self.descriptor.checked().ok_or(io::ErrorKind::NotConnected)?;
        // SAFETY: bytes of this length. A socket of datagrams raises no SIGPIPE, and sends all or nothing.
        match unsafe { libc::write(number, message.as_ptr().cast(), message.len()) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn connect(path: &Path) -> io::Result<Descriptor> {
    const KIND: c_int = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let address = address(path)?;
    // SAFETY: the descriptor was just made, and nobody else knows it.
    let socket = unsafe {
        let socket = libc::socket(libc::AF_UNIX, KIND, 0);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(socket)
    };
    join(socket.as_raw_fd(), &address)?;
    Descriptor::of_socket(socket)
}

fn join(socket: RawFd, address: &libc::sockaddr_un) -> io::Result<()> {
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: an address of this length.
    match unsafe { libc::connect(socket, std::ptr::from_ref(address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// unix(7).
fn address(path: &Path) -> io::Result<libc::sockaddr_un> {
    let path = path.as_os_str().as_bytes();
    // SAFETY: a plain structure, for which zeros are a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    if path.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as libc::c_char;
    }
    Ok(address)
}

fn priority(entry: &Entry<'_>) -> u8 {
    match entry.verdict.outcome() {
        Outcome::Reject(_) if entry.told.is_enforced() => WARNING,
        Outcome::Reject(_) => NOTICE,
        Outcome::Accept(_) if matches!(entry.verdict.would(), Some(Outcome::Reject(_))) => NOTICE,
        Outcome::Accept(_) => INFORMATIONAL,
    }
}

/// systemd's Native Journal Protocol: `NAME=value`, or what holds line ends with its length before it.
fn for_journal(entry: &Entry<'_>, stamp: &Stamp<'_>, line: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(line.len() + 1024);
    let mut field = |name: &str, value: &str| {
        message.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            message.push(b'\n');
            message.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            message.push(b'=');
        }
        message.extend_from_slice(value.as_bytes());
        message.push(b'\n');
    };
    let (told, verdict) = (entry.told, entry.verdict);
    field("MESSAGE", &told.sentence(verdict));
    field("PRIORITY", &priority(entry).to_string());
    field("SYSLOG_IDENTIFIER", "peerkey");
    field("SYSLOG_FACILITY", &FACILITY.to_string());
    field("PEERKEY_ID", stamp.id);
    match verdict.outcome() {
        Outcome::Accept(_) => field("PEERKEY_VERDICT", "accept"),
        Outcome::Reject(reason) => {
            field("PEERKEY_VERDICT", "reject");
            field("PEERKEY_CODE", reason.code());
        }
    }
    if let Some(Outcome::Reject(reason)) = verdict.would() {
        field("PEERKEY_WOULD", "reject");
        field("PEERKEY_WOULD_CODE", reason.code());
    }
    field("PEERKEY_ENFORCED", if told.is_enforced() { "1" } else { "0" });
    for (name, value) in [("PEERKEY_PEER", &*told.peer()), ("PEERKEY_PROTOCOL", told.protocol())] {
        if !value.is_empty() {
            field(name, value);
        }
    }
    field("PEERKEY_RECORD", line.trim_end());
    message
}

/// A line of the system's log. Without a time: the log's own counts, and that of the host's zone could be
/// told only by functions that take locks.
fn for_syslog(entry: &Entry<'_>, line: &str) -> Vec<u8> {
    let number = FACILITY * 8 + priority(entry);
    format!("<{number}>peerkey[{}]: {}", process_id(), line.trim_end()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::folder::tests::temporary;

    #[test]
    fn a_socket_of_the_hosts_gets_nothing() {
        let dir = temporary("wire");
        let sockets = Sockets { journal: dir.join("none"), syslog: dir.join("log") };
        let log = UnixDatagram::bind(&sockets.syslog).unwrap();
        log.set_nonblocking(true).unwrap();
        let wire = Wire::new(&sockets);
        let number = wire.0.as_ref().unwrap().descriptor.number();
        assert!(number >= 64);
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        // SAFETY: what a host does that closes and reuses a descriptor it does not know.
        assert_eq!(unsafe { libc::dup2(ours.as_raw_fd(), number) }, number);
        assert!(wire.0.as_ref().unwrap().descriptor.checked().is_none());
        drop(wire);
        theirs.send(b"still open").unwrap();
        // SAFETY: as above.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}
