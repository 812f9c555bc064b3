//! How each protocol asks for TLS. Everything is read byte by byte, so that nothing which a stranger
//! sends ahead of the handshake is taken for an answer, and everything that is read has a limit.

mod imap;
mod ldap;
mod mysql;
mod pop3;
mod postgresql;
mod smtp;
mod xmpp;

use std::io::{Read, Write};
use std::net::IpAddr;

use peerkey_core::protocol::Protocol;

use super::CallError;

/// What a dialogue may have to say of the two sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// The domain that the server stands for.
    pub(super) domain: &'a str,
    /// Our own address.
    pub(super) client: IpAddr,
}

/// A way to ask for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialogue {
    Smtp,
    Imap,
    Pop3,
    Ldap,
    Postgresql,
    Mysql,
    XmppClient,
    XmppServer,
}

const DIALOGUES: &[(&str, Dialogue)] = &[
    ("smtp", Dialogue::Smtp),
    ("submission", Dialogue::Smtp),
    ("imap", Dialogue::Imap),
    ("pop3", Dialogue::Pop3),
    ("ldap", Dialogue::Ldap),
    ("postgresql", Dialogue::Postgresql),
    ("mysql", Dialogue::Mysql),
    ("xmpp-client", Dialogue::XmppClient),
    ("xmpp-server", Dialogue::XmppServer),
];

/// The dialogue for this protocol at this port; None where TLS starts at once. `imap` at port 993 is
/// implicit TLS and `imaps` at port 143 is STARTTLS: people say either for both.
pub(super) fn which(protocol: Option<&Protocol>, port: u16) -> Option<Dialogue> {
    let at_port = Protocol::from_port(port);
    let by_port = match (protocol, at_port) {
        (None, at_port) => at_port,
        (Some(protocol), Some(at_port)) if are_kin(protocol, &at_port) => Some(at_port),
        (Some(protocol), _) => Some(protocol.clone()),
    };
    by_port.and_then(|p| DIALOGUES.iter().find(|(name, _)| *name == p.as_str())).map(|(_, d)| *d)
}

fn are_kin(one: &Protocol, other: &Protocol) -> bool {
    let is_mail = |p: &Protocol| matches!(p.as_str(), "smtp" | "submission" | "submissions");
    one.counterpart().as_ref() == Some(other) || (is_mail(one) && is_mail(other))
}

impl Dialogue {
    /// The protocol that is spoken.
    pub(super) fn name(self) -> &'static str {
        DIALOGUES.iter().find(|(_, dialogue)| *dialogue == self).map_or("", |(name, _)| name)
    }

    /// Speaks until the next byte is TLS's.
    pub(super) fn run<S: Read + Write>(
        self,
        stream: &mut S,
        names: &Names<'_>,
    ) -> Result<(), CallError> {
        match self {
            Self::Smtp => smtp::start(stream, names),
            Self::Imap => imap::start(stream),
            Self::Pop3 => pop3::start(stream),
            Self::Ldap => ldap::start(stream),
            Self::Postgresql => postgresql::start(stream),
            Self::Mysql => mysql::start(stream),
            Self::XmppClient => xmpp::start(stream, names, "jabber:client"),
            Self::XmppServer => xmpp::start(stream, names, "jabber:server"),
        }
    }
}

/// What any of these protocols may send as one line (RFC 5321 section 4.5.3.1 allows 512).
const LONGEST_LINE: usize = 8192;
/// How many lines one answer may have.
const MOST_LINES: usize = 100;

/// One line, without its end.
fn line(stream: &mut impl Read) -> Result<String, CallError> {
    let mut bytes = until(stream, LONGEST_LINE, |bytes| bytes.ends_with(b"\n"))?;
    while bytes.last().is_some_and(|b| b"\r\n".contains(b)) {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads until what was read is `complete`.
fn until(
    stream: &mut impl Read,
    limit: usize,
    complete: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while !complete(&bytes) {
        if bytes.len() == limit {
            return Err(CallError::answer("the answer does not end", &bytes));
        }
        let [byte] = exactly(stream)?;
        bytes.push(byte);
    }
    Ok(bytes)
}

/// So many bytes.
fn exactly<const N: usize>(stream: &mut impl Read) -> Result<[u8; N], CallError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn say(stream: &mut impl Write, words: &[u8]) -> Result<(), CallError> {
    stream.write_all(words)?;
    Ok(stream.flush()?)
}

#[cfg(test)]
mod script {
    //! A server that says what it was told to, and remembers what it heard.

    use std::io::{self, Cursor, Read, Write};

    use super::*;

    pub(super) struct Script {
        says: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the client said, and what it left unread for TLS.
    pub(super) fn run(
        dialogue: Dialogue,
        says: impl AsRef<[u8]>,
    ) -> Result<(Vec<u8>, Vec<u8>), String> {
        let mut script = Script { says: Cursor::new(says.as_ref().to_vec()), heard: Vec::new() };
        let names = Names { domain: "peer.example", client: "192.0.2.9".parse().unwrap() };
        dialogue.run(&mut script, &names).map_err(|why| why.to_string())?;
        let mut rest = Vec::new();
        script.says.read_to_end(&mut rest).unwrap();
        Ok((script.heard, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::script::run;
    use super::*;

    const ALL: [Dialogue; 8] = [
        Dialogue::Smtp,
        Dialogue::Imap,
        Dialogue::Pop3,
        Dialogue::Ldap,
        Dialogue::Postgresql,
        Dialogue::Mysql,
        Dialogue::XmppClient,
        Dialogue::XmppServer,
    ];

    #[test]
    fn the_port_tells_implicit_tls_from_starttls() {
        let name = |protocol: &str, port| {
            which(Protocol::parse(protocol).as_ref(), port).map(Dialogue::name)
        };
        assert_eq!(name("imap", 143), Some("imap"));
        assert_eq!(name("imap", 993), None);
        assert_eq!(name("imaps", 143), Some("imap"));
        assert_eq!(name("imaps", 10_993), None);
        assert_eq!(name("smtp", 465), None);
        assert_eq!(name("smtp", 587), Some("smtp"));
        assert_eq!(name("postgresql", 5433), Some("postgresql"));
        assert_eq!(name("https", 143), None);
        assert_eq!(name("", 25), Some("smtp"));
        assert_eq!(name("", 443), None);
        assert_eq!(name("", 12_345), None);
    }

    #[test]
    fn no_server_can_make_a_dialogue_go_on_for_ever() {
        let endless: [&[u8]; 8] =
            [b"a", b"220-x\r\n", b"* x\r\n", b"+OK\r\n", b"<a>", b"\0", b"0\xff", b"\n"];
        for dialogue in ALL {
            for part in endless {
                let says = part.repeat(3_000_000 / part.len());
                match run(dialogue, says) {
                    Err(why) => assert!(why.len() < 1500, "{why}"),
                    Ok((_, rest)) => assert!(rest.len() > 2_000_000, "{dialogue:?}"),
                }
            }
        }
    }

    /// Pieces of right answers in any order reach further than noise does.
    #[test]
    fn no_answer_makes_a_dialogue_panic() {
        let pieces: [&[u8]; 14] = [
            b"220 x\r\n",
            b"250-STARTTLS\r\n",
            b"* OK\r\n",
            b"p ",
            b"+OK\r\n",
            b"S",
            b"\x30\x84\0\0\0\x10",
            b"\x02\x01\x01x\x84\xff\xff\xff\xff",
            b"\x0a\x01\0\x04\0",
            b"\x30\0\0\0\x0a8\0",
            b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></f:features>",
            b"<proceed></",
            b"\xff\xfe\x80",
            b"\0\0\0\0\0\0\0\0",
        ];
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        for _ in 0..20_000 {
            let says: Vec<_> = (0..random() % 6).flat_map(|_| pieces[random() % 14]).collect();
            let says: Vec<u8> = says.into_iter().copied().collect();
            let _ = run(ALL[random() % ALL.len()], says);
        }
    }

    #[test]
    fn a_server_that_hangs_up_is_said_to() {
        for dialogue in ALL {
            assert_eq!(run(dialogue, "").unwrap_err(), "the server hung up", "{dialogue:?}");
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_not_repeated() {
        let why = run(Dialogue::Pop3, "-ERR \x1b[2J\r\n").unwrap_err();
        assert!(!why.contains('\x1b') && why.contains("\\u{1b}"), "{why}");
    }
}
