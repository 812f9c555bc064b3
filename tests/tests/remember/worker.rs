//! A program with many peers, that can be killed and can confine itself: what runs in the other process.

use std::ffi::{CString, c_char, c_int, c_void};
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
/// `confine` (by a filter of system calls), `wait` (for a line).
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
    if let Ok(config) = std::env::var("WORKER_CONF") {
        configure(&config);
    }
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
            ["confine"] => filter(),
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

/// With AT_SECURE, OpenSSL reads no file that the environment names: the program names it.
fn configure(file: &str) {
    unsafe extern "C" {
        fn OPENSSL_INIT_new() -> *mut c_void;
        fn OPENSSL_INIT_set_config_filename(settings: *mut c_void, file: *const c_char) -> c_int;
        fn OPENSSL_init_crypto(options: u64, settings: *const c_void) -> c_int;
    }
    const OPENSSL_INIT_LOAD_CONFIG: u64 = 0x40;
    let file = CString::new(file).unwrap();
    // SAFETY: as OPENSSL_init_crypto(3) has it; the settings are never freed.
    unsafe {
        let settings = OPENSSL_INIT_new();
        assert_eq!(OPENSSL_INIT_set_config_filename(settings, file.as_ptr()), 1);
        assert_eq!(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, settings), 1);
    }
}

/// What a service may call that systemd confines to `@system-service`, without processes; any other
/// call ends this one.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlink,
    libc::SYS_fcntl,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmodat,
    libc::SYS_mkdir,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_geteuid,
    libc::SYS_getuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_poll,
    libc::SYS_shutdown,
    libc::SYS_clock_gettime,
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
];

/// These end a thread or a process, or are what the test harness does about its own threads.
const ENDING: &[i64] = &[
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
];

fn filter() {
    let step =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, jump, answer) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    // The number of the call is the first field (seccomp(2)).
    let mut program = vec![step(load, 0, 0, 0)];
    for allowed in ALLOWED.iter().chain(ENDING) {
        program.push(step(jump, 0, 1, u32::try_from(*allowed).unwrap()));
        program.push(step(answer, 0, 0, libc::SECCOMP_RET_ALLOW));
    }
    program.push(step(answer, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    let whole = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: a program of this length.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const whole), 0);
    }
}
