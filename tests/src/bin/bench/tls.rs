//! TLS handshakes of a process with itself, in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;

use openssl::pkey::PKey;
use openssl::ssl::{
    AlpnError, ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode,
    SslVersion,
};
use openssl::x509::X509;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::site::Site;

/// The peer.
pub(crate) const BANK: &str = "bank.example";

/// More chains than one process is asked to show.
const FRESH: usize = 700;

/// What the keys of a chain are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// ECDSA P-256.
    Ec,
    /// RSA of 2048 bits.
    Rsa,
}

impl Kind {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Ec, Self::Rsa];

    /// The folder of its files.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Ec => "ec",
            Self::Rsa => "rsa",
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ec => "ECDSA P-256",
            Self::Rsa => "RSA-2048",
        }
    }

    fn key(self, draft: Draft) -> Draft {
        match self {
            Self::Ec => draft,
            Self::Rsa => draft.rsa(2048),
        }
    }
}

/// A root, a CA below it, and the bank's certificate.
pub(crate) struct Chain {
    /// The root.
    pub(crate) root: Issued,
    /// The bank's certificate; the CA's is above it.
    pub(crate) leaf: Issued,
    ca: Issued,
    kind: Kind,
}

impl Chain {
    /// A new one.
    pub(crate) fn new(kind: Kind) -> Self {
        let root = kind.key(Draft::ca(&format!("Root {}", kind.folder()))).self_signed();
        let ca = kind.key(Draft::ca("CA")).signed_by(&root);
        let leaf = kind.key(Draft::server(BANK)).signed_by(&ca);
        Self { root, leaf, ca, kind }
    }

    /// Puts its files into a site.
    pub(crate) fn write(&self, site: &Site) {
        let folder = self.kind.folder();
        fs::create_dir_all(site.path(folder)).unwrap();
        for (name, issued) in [("root", &self.root), ("ca", &self.ca), ("leaf", &self.leaf)] {
            site.write(&format!("{folder}/{name}.pem"), issued.chain_pem());
            site.write(&format!("{folder}/{name}.key"), issued.key_pem());
        }
    }
}

fn issued(folder: &Path, name: &str) -> Issued {
    let read = |end: &str| fs::read(folder.join(format!("{name}.{end}"))).unwrap();
    let mut chain = X509::stack_from_pem(&read("pem")).unwrap();
    let cert = chain.remove(0);
    Issued { cert, key: PKey::private_key_from_pem(&read("key")).unwrap(), above: chain }
}

/// A client and a server, and what the server presents in turn.
pub(crate) struct Pair {
    client: SslContext,
    server: SslContext,
    chains: Vec<Issued>,
    turn: usize,
}

impl Pair {
    /// From the files in a folder. Where `fresh`, each handshake shows certificates that were never seen.
    pub(crate) fn new(folder: &Path, fresh: bool) -> Self {
        let mut client = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
        client.set_ca_file(folder.join("root.pem")).unwrap();
        client.set_verify(SslVerifyMode::PEER);
        client.set_alpn_protos(b"\x08http/1.1").unwrap();
        let mut server = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        server.set_alpn_select_callback(|_, offered| {
            openssl::ssl::select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::NOACK)
        });
        for context in [&mut client, &mut server] {
            context.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
        }
        let [root, ca, leaf] = ["root", "ca", "leaf"].map(|name| issued(folder, name));
        let chains = if fresh {
            (0..FRESH).map(|i| again(i, &root, &ca, &leaf)).collect()
        } else {
            vec![leaf]
        };
        Self { client: client.build(), server: server.build(), chains, turn: 0 }
    }

    /// One full handshake.
    pub(crate) fn handshake(&mut self) {
        self.meet(BANK);
    }

    /// The same with a peer of this name.
    pub(crate) fn meet(&mut self, name: &str) {
        let mut client = Ssl::new(&self.client).unwrap();
        client.set_hostname(name).unwrap();
        client.param_mut().set_host(name).unwrap();
        let mut server = Ssl::new(&self.server).unwrap();
        let chain = &self.chains[if self.chains.len() == 1 { 0 } else { self.turn }];
        self.turn += 1;
        server.set_certificate(&chain.cert).unwrap();
        server.set_private_key(&chain.key).unwrap();
        for above in &chain.above {
            server.add_chain_cert(above.clone()).unwrap();
        }
        let (one, other) = Pipe::pair();
        let mut client = SslStream::new(client, one).unwrap();
        let mut server = SslStream::new(server, other).unwrap();
        while !(done(client.connect()) & done(server.accept())) {}
    }
}

/// The same chain with certificates of other names and numbers.
fn again(number: usize, root: &Issued, ca: &Issued, leaf: &Issued) -> Issued {
    let ca = Draft::ca(&format!("CA {number}")).key(&ca.key).signed_by(root);
    Draft::server(BANK).key(&leaf.key).signed_by(&ca)
}

/// Whether a side is through; it may also wait for the other one.
fn done(result: Result<(), openssl::ssl::Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) if error.code() == ErrorCode::WANT_READ => false,
        Err(error) => panic!("{error}"),
    }
}

/// One end of a connection in memory.
struct Pipe {
    from: Rc<RefCell<VecDeque<u8>>>,
    to: Rc<RefCell<VecDeque<u8>>>,
}

impl Pipe {
    fn pair() -> (Self, Self) {
        let (one, other) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
        (Self { from: Rc::clone(&one), to: Rc::clone(&other) }, Self { from: other, to: one })
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.from.borrow_mut().read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
