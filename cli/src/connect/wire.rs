//! A TCP connection that ends at a deadline, whatever the server does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::CallError;
use super::target::Target;

/// A connection. Each read and write fails once the deadline is past.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    deadline: Instant,
}

impl Wire {
    /// Connects to the first address of the target that answers.
    pub(super) fn open(target: &Target, timeout: Duration) -> Result<Self, CallError> {
        let deadline = Instant::now() + timeout;
        let addresses = resolve(target, timeout)?;
        let mut last = None;
        for (tried, address) in addresses.iter().enumerate() {
            let share = left(deadline)? / (addresses.len() - tried) as u32;
            match TcpStream::connect_timeout(address, share) {
                Ok(socket) => return Ok(Self { socket, deadline }),
                Err(error) => last = Some((address, error)),
            }
        }
        Err(match last {
            Some((address, error)) => {
                CallError::new(format!("cannot connect to {address}: {}", CallError::from(error)))
            }
            None => CallError::new(format!("{} has no address", target.host)),
        })
    }

    /// The address at the other end.
    pub(super) fn peer_address(&self) -> Result<IpAddr, CallError> {
        Ok(self.socket.peer_addr()?.ip())
    }

    /// The address at this end.
    pub(super) fn own_address(&self) -> Result<IpAddr, CallError> {
        Ok(self.socket.local_addr()?.ip())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.deadline)?))?;
        self.socket.read(buffer).map_err(timed_out)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// The time that is left; an error where none is.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket says WouldBlock for a time-out, which OpenSSL would take as a reason to try again.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// The resolver has no time-out of its own to set, so it runs beside us.
fn resolve(target: &Target, timeout: Duration) -> Result<Vec<SocketAddr>, CallError> {
    if let Ok(address) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, target.port)]);
    }
    let (send, receive) = mpsc::channel();
    let question = (target.host.clone(), target.port);
    thread::spawn(move || {
        let answer = question.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody listens any more once the time is over.
        let _ = send.send(answer);
    });
    match receive.recv_timeout(timeout) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(CallError::new(format!("cannot look up {}: {error}", target.host))),
        Err(_) => Err(CallError::new(format!("cannot look up {}: no answer in time", target.host))),
    }
}
