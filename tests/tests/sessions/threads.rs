//! Threads that share sessions, while the policy is replaced under them.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslSession, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{BANK, WORLD, accepting};

const THREADS: usize = 8;
const EACH: usize = 40;

/// All of them connect: some resume, and after each new policy some do not.
#[test]
fn sessions_are_shared() {
    let scene = Arc::new(Scene::new(&[&WORLD.root]).policy(&accepting()));
    let server = ServerDraft::new(Service::Https, &WORLD.bank);
    let (answered, replacing) = (AtomicUsize::new(0), Arc::clone(&scene));
    let server = server.asked(move |_| {
        // The same policy, in another file.
        if answered.fetch_add(1, Ordering::Relaxed) % 50 == 49 {
            let state = replacing.site.path("state");
            std::fs::copy(state.join("policy-1.db"), state.join("next")).unwrap();
            std::fs::rename(state.join("next"), state.join("policy-1.db")).unwrap();
        }
    });
    let server = server.start();
    for newest in ["1.2", "1.3"] {
        let mut worker = scene.site.command(std::env::current_exe().unwrap(), Peerkey::On);
        worker.args(["--exact", "threads::worker", "--ignored", "--nocapture"]);
        worker.env("WORKER", format!("{} {newest}", server.address()));
        worker.env("WORKER_TRUST", &scene.trust);
        let run = run(&mut worker).expect_ok("the worker");
        let said = |what: &str| -> usize {
            let line = run.stdout.lines().find_map(|line| line.strip_prefix(what));
            line.unwrap_or_else(|| panic!("{run}")).parse().unwrap()
        };
        let (reused, new) = (said("reused "), said("new "));
        assert_eq!(reused + new, THREADS * EACH, "{run}");
        assert!(reused > new && new > 0, "TLS {newest}: {reused} resumed, {new} not");
    }
}

/// Not a test: what runs in the other process.
#[test]
#[ignore = "it is run by the test above"]
fn worker() {
    let Ok(task) = std::env::var("WORKER") else { return };
    let (address, newest) = task.split_once(' ').unwrap();
    let latest = Arc::new(Mutex::new(None));
    let context = context(newest == "1.2", Arc::clone(&latest));
    let address: SocketAddr = address.parse().unwrap();
    let reused = AtomicUsize::new(0);
    visit(&context, address, None);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let session = latest.lock().unwrap().clone();
                    reused.fetch_add(visit(&context, address, session).into(), Ordering::Relaxed);
                }
            });
        }
    });
    let reused = reused.into_inner();
    println!("\nreused {reused}\nnew {}", THREADS * EACH - reused);
}

fn context(tls12: bool, latest: Arc<Mutex<Option<SslSession>>>) -> SslContext {
    let mut context = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    context.set_ca_file(PathBuf::from(std::env::var_os("WORKER_TRUST").unwrap())).unwrap();
    context.set_verify(SslVerifyMode::PEER);
    context.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    context.set_max_proto_version(tls12.then_some(SslVersion::TLS1_2)).unwrap();
    context.set_new_session_callback(move |_, session| *latest.lock().unwrap() = Some(session));
    context.build()
}

/// One request; whether its connection was resumed.
fn visit(context: &SslContext, address: SocketAddr, session: Option<SslSession>) -> bool {
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_hostname(BANK).unwrap();
    ssl.param_mut().set_host(BANK).unwrap();
    if let Some(session) = &session {
        // SAFETY: the session is of this context.
        unsafe { ssl.set_session(session).unwrap() };
    }
    let mut stream = SslStream::new(ssl, TcpStream::connect(address).unwrap()).unwrap();
    stream.connect().unwrap();
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.contains("hello"));
    // Or OpenSSL takes the session for a broken one.
    stream.shutdown().unwrap();
    stream.ssl().session_reused()
}
