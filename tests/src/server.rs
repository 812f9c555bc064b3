//! TLS servers in this process, on loopback: they present what they are told to, and speak a little.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use openssl::ssl::{AlpnError, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream};
use openssl::ssl::{SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion};
use openssl::x509::X509;

use crate::pki::Issued;

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// One answer to any request.
    Https,
    /// Enough of IMAP for a login and a listing.
    Imaps,
    /// SMTP that wants STARTTLS (RFC 3207).
    Smtp,
}

/// How the server treats ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// Answers with `http/1.1` where it is offered.
    Http,
    /// Never answers, as servers may (RFC 7301 section 3.2).
    Silent,
}

/// A server to be.
#[derive(Clone)]
pub struct ServerDraft {
    identity: Issued,
    service: Service,
    alpn: Alpn,
    port: u16,
    clients: Option<X509>,
    newest: SslVersion,
    resumes: bool,
    asked: Asked,
}

/// What happens when a request has come and before it is answered; it is given the path.
type Asked = Arc<dyn Fn(&str) + Send + Sync>;

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ServerDraft {
    /// A server that proves this identity.
    pub fn new(service: Service, identity: &Issued) -> Self {
        Self {
            identity: identity.clone(),
            service,
            alpn: Alpn::Http,
            port: 0,
            clients: None,
            newest: SslVersion::TLS1_3,
            resumes: true,
            asked: Arc::new(|_| ()),
        }
    }

    /// With this ALPN behaviour.
    pub fn alpn(mut self, alpn: Alpn) -> Self {
        self.alpn = alpn;
        self
    }

    /// On this port, on a loopback address of its own.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With TLS 1.2 at most.
    pub fn tls12(mut self) -> Self {
        self.newest = SslVersion::TLS1_2;
        self
    }

    /// Without any session that could be resumed.
    pub fn forgetful(mut self) -> Self {
        self.resumes = false;
        self
    }

    /// Does this for each request over HTTPS, before the answer; it is given the path.
    pub fn asked(mut self, asked: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.asked = Arc::new(asked);
        self
    }

    /// Asks clients for a certificate from this CA.
    pub fn clients(mut self, ca: &Issued) -> Self {
        self.clients = Some(ca.cert.clone());
        self
    }

    /// Starts it.
    pub fn start(self) -> Server {
        let listener = listen(self.port);
        let address = listener.local_addr().unwrap();
        let context = self.context();
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, service, asked) = (stop.clone(), self.service, self.asked);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), context) = (stream, context.clone()) else { continue };
                let asked = Arc::clone(&asked);
                thread::spawn(move || serve(&context, service, stream, &*asked));
            }
        });
        Server { address, stop, thread: Some(thread) }
    }

    fn context(&self) -> SslContext {
        let mut context = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        // Weak keys are among what is presented.
        context.set_security_level(0);
        context.set_max_proto_version(Some(self.newest)).unwrap();
        if !self.resumes {
            context.set_session_cache_mode(SslSessionCacheMode::OFF);
            context.set_options(SslOptions::NO_TICKET);
        }
        context.set_certificate(&self.identity.cert).unwrap();
        context.set_private_key(&self.identity.key).unwrap();
        for above in &self.identity.above {
            context.add_extra_chain_cert(above.clone()).unwrap();
        }
        if self.alpn == Alpn::Http {
            context.set_alpn_select_callback(|_, offered| {
                openssl::ssl::select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::NOACK)
            });
        }
        if let Some(ca) = &self.clients {
            context.cert_store_mut().add_cert(ca.clone()).unwrap();
            context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        context.build()
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A listener on a free port of 127.0.0.1, or on this port of a loopback address that nobody uses.
pub fn listen(port: u16) -> TcpListener {
    if port == 0 {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    }
    let mut last = None;
    for _ in 0..50 {
        match TcpListener::bind((own_loopback(), port)) {
            Ok(listener) => return listener,
            Err(error) => last = Some(error),
        }
    }
    panic!("no loopback address with port {port} free (below 1024 needs root): {last:?}");
}

/// An address in 127.0.0.0/8 that this process has not used yet.
pub fn own_loopback() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id() % 250 + 1;
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let octets = [127, process as u8, (n / 250 % 250) as u8 + 1, (n % 250) as u8 + 2];
    IpAddr::from(octets)
}

/// A port of 127.0.0.1 that was free a moment ago, for programs that bind it themselves.
pub fn free_port() -> u16 {
    listen(0).local_addr().unwrap().port()
}

fn serve(context: &SslContext, service: Service, stream: TcpStream, asked: &dyn Fn(&str)) {
    let limit = Some(Duration::from_secs(20));
    let _ = stream.set_read_timeout(limit).and(stream.set_write_timeout(limit));
    // What goes wrong here is what the client has to report.
    let _ = match service {
        Service::Https => secure(context, stream).and_then(|stream| https(stream, asked)),
        Service::Imaps => secure(context, stream).and_then(imap),
        Service::Smtp => smtp(context, stream),
    };
}

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn secure(context: &SslContext, stream: TcpStream) -> Done<SslStream<TcpStream>> {
    let mut stream = SslStream::new(Ssl::new(context)?, stream)?;
    stream.accept()?;
    Ok(stream)
}

fn https(mut stream: SslStream<TcpStream>, asked: &dyn Fn(&str)) -> Done {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    asked(String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default());
    let body = "hello\n";
    let session = if stream.ssl().session_reused() { "reused" } else { "new" };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close";
    write!(stream, "{head}\r\nSession: {session}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()?;
    close(&mut stream);
    Ok(())
}

/// Both sides say goodbye, so that the client sees no truncation.
fn close(stream: &mut SslStream<TcpStream>) {
    let _ = stream.shutdown();
    let _ = stream.get_ref().shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(&mut stream.get_ref(), &mut std::io::sink());
}

fn imap(stream: SslStream<TcpStream>) -> Done {
    let mut stream = BufReader::new(stream);
    write!(stream.get_mut(), "* OK ready\r\n")?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (tag, rest) = line.trim_end().split_once(' ').unwrap_or(("*", ""));
        let untagged = match rest.split(' ').next().map(str::to_uppercase).as_deref() {
            Some("CAPABILITY") => "* CAPABILITY IMAP4rev1\r\n",
            Some("LIST") => "* LIST () \"/\" INBOX\r\n",
            Some("LOGOUT") => "* BYE\r\n",
            _ => "",
        };
        write!(stream.get_mut(), "{untagged}{tag} OK done\r\n")?;
        if untagged.starts_with("* BYE") {
            close(stream.get_mut());
            return Ok(());
        }
    }
}

fn smtp(context: &SslContext, mut stream: TcpStream) -> Done {
    stream.write_all(b"220 mail.example ready\r\n")?;
    let mut plain = BufReader::new(stream.try_clone()?);
    if !smtp_talk(&mut plain, &mut stream, "250-mail.example\r\n250 STARTTLS\r\n")? {
        return Ok(());
    }
    let stream = secure(context, stream)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let quit = line.to_uppercase().starts_with("QUIT");
        reader.get_mut().write_all(if quit { b"221 bye\r\n" } else { b"250 fine\r\n" })?;
        if quit {
            close(reader.get_mut());
            return Ok(());
        }
    }
}

/// Answers until the client asks for STARTTLS; false if it leaves before.
fn smtp_talk(from: &mut impl BufRead, to: &mut impl Write, hello: &str) -> Done<bool> {
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let command = line.trim().to_uppercase();
        match command.as_str() {
            "STARTTLS" => {
                to.write_all(b"220 go ahead\r\n")?;
                return Ok(true);
            }
            hi if hi.starts_with("EHLO") => to.write_all(hello.as_bytes())?,
            _ => to.write_all(b"530 STARTTLS first\r\n")?,
        }
    }
}
