//! A program with many peers, that can be killed and can confine itself: what runs in the other process.

use std::ffi::CString;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode};
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::Server;
use peerkey_tests::site::Peerkey;

/// This executable as a program that does these steps, in their order:
/// `meet NAME`, `meet-all FROM TO` (n0.lan and so on), `again NAME COUNT`, `queue NAME` (what is left in the
/// error queue), `threads COUNT`, `fork NAME`, `chroot FOLDER UID`,
/// `wait` (for a line).
pub(crate) fn worker(scene: &Scene, server: &Server, steps: &[&str]) -> Command {
    let program = scene.site.path("worker");
    if !program.exists() {
        // By another process: a file that one of ours has open to write cannot be run, and children that
        // other tests start meanwhile have what we have open.
        run(Command::new("/bin/cp").arg(std::env::current_exe().unwrap()).arg(&program))
            .expect_ok("cp");
    }
    let mut command = scene.site.command(program, Peerkey::On);
    command.args(["--exact", "worker::work", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("WORKER", server.address().to_string()).env("WORKER_STEPS", steps.join(";"));
    command.env("WORKER_TRUST", &scene.trust);
    command
}

/// Not a test.
#[test]
#[ignore = "it is run by other tests"]
fn work() {
    let Ok(address) = std::env::var("WORKER") else { return };
    let program = Program { context: context(), address: address.parse().unwrap() };
    for step in std::env::var("WORKER_STEPS").unwrap().split(';') {
        program.step(&step.split(' ').collect::<Vec<_>>());
    }
}

struct Program {
    context: SslContext,
    address: SocketAddr,
}

fn context() -> SslContext {
    let mut context = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    context.set_ca_file(PathBuf::from(std::env::var_os("WORKER_TRUST").unwrap())).unwrap();
    context.set_verify(SslVerifyMode::PEER);
    // The socket does not show here.
    context.set_alpn_protos(b"\x08http/1.1").unwrap();
    context.build()
}

fn say(line: &str) {
    // A line of its own, whatever the test harness has begun.
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

impl Program {
    fn step(&self, step: &[&str]) {
        match *step {
            ["meet", name] => say(&format!("{name}: {}", self.meet(name))),
            ["meet-all", from, to] => {
                for number in from.parse::<u32>().unwrap()..to.parse().unwrap() {
                    let name = format!("n{number}.lan");
                    say(&format!("{name}: {}", self.meet(&name)));
                }
            }
            ["again", name, count] => {
                let said: Vec<_> =
                    (0..count.parse().unwrap()).map(|_: u32| self.meet(name)).collect();
                say(&format!("{name} {} times: {}", said.len(), said.last().unwrap()));
            }
            ["queue", name] => {
                let met = self.meet(name);
                let left = openssl::error::ErrorStack::get();
                say(&format!("{name} left {} errors: {met}", left.errors().len()));
            }
            ["threads", count] => self.threads(count.parse().unwrap()),
            ["fork", name] => self.in_child(name),
            ["chroot", folder, uid] => confine(folder, uid.parse().unwrap()),
            ["wait"] => {
                say("waiting");
                let _ = std::io::stdin().read_line(&mut String::new());
            }
            _ => panic!("{step:?}"),
        }
    }

    /// One request; "met", or why not.
    fn meet(&self, name: &str) -> String {
        let mut ssl = Ssl::new(&self.context).unwrap();
        ssl.set_hostname(name).unwrap();
        ssl.param_mut().set_host(name).unwrap();
        let mut stream = SslStream::new(ssl, TcpStream::connect(self.address).unwrap()).unwrap();
        let talk = |stream: &mut SslStream<TcpStream>| -> Result<String, String> {
            stream.connect().map_err(|error| error.to_string())?;
            let mut answer = String::new();
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").map_err(|error| error.to_string())?;
            std::io::Read::read_to_string(stream, &mut answer).map_err(|e| e.to_string())?;
            Ok(answer)
        };
        match talk(&mut stream) {
            Ok(answer) if answer.contains("hello") => "met".into(),
            Ok(answer) => format!("no answer: {answer}"),
            Err(error) => error,
        }
    }

    fn threads(&self, count: usize) {
        let said: Vec<String> = thread::scope(|scope| {
            let meet = |number| move || self.meet(&format!("t{number}.lan"));
            let threads: Vec<_> = (0..count).map(|number| scope.spawn(meet(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let met = said.iter().filter(|said| *said == "met").count();
        said.iter().filter(|said| *said != "met").for_each(|said| say(said));
        say(&format!("{met} threads met"));
    }

    fn in_child(&self, name: &str) {
        // SAFETY: the child does as the parent does, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            say(&format!("child {name}: {}", self.meet(name)));
            // SAFETY: no exit handlers of the harness's.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: our child, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    }
}

fn confine(folder: &str, uid: u32) {
    let folder = CString::new(folder).unwrap();
    // SAFETY: a C string, and plain numbers.
    unsafe {
        assert_eq!(libc::chroot(folder.as_ptr()), 0);
        assert_eq!(libc::chdir(c"/".as_ptr()), 0);
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setresgid(uid, uid, uid), 0);
        assert_eq!(libc::setresuid(uid, uid, uid), 0);
    }
}
