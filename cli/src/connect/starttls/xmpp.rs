//! XMPP (RFC 6120 section 5), from clients and between servers.

use std::io::{Read, Write};

use super::{CallError, Names, say, until};

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

/// Stream features are some hundred bytes.
const LONGEST_ANSWER: usize = 16_384;
/// How far back the start of a tag is looked for, with each byte that could end one.
const LONGEST_TAG: usize = 512;

pub(super) fn start(
    stream: &mut (impl Read + Write),
    names: &Names<'_>,
    namespace: &str,
) -> Result<(), CallError> {
    // A domain is letters, digits, dots and colons here: nothing that XML would have to escape.
    let domain: String = names.domain.chars().filter(|c| !"<>&'\"".contains(*c)).collect();
    let open = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{namespace}' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{domain}' version='1.0'>"
    );
    say(stream, open.as_bytes())?;
    let features =
        until(stream, LONGEST_ANSWER, |said| has_tag_end(said, "features") || is_over(said))?;
    let offers = String::from_utf8_lossy(&features);
    if is_over(&features) {
        return Err(CallError::answer("the server ends the stream", tail(&features, 200)));
    }
    if !(offers.contains("<starttls") && offers.contains(TLS)) {
        return Err(CallError::new("the server does not offer STARTTLS"));
    }
    say(stream, format!("<starttls xmlns='{TLS}'/>").as_bytes())?;
    let answer =
        until(stream, LONGEST_ANSWER, |said| has_tag_end(said, "proceed") || is_over(said))?;
    match String::from_utf8_lossy(&answer).contains("<proceed") && !is_over(&answer) {
        true => Ok(()),
        false => Err(CallError::answer("STARTTLS was refused", tail(&answer, 200))),
    }
}

/// Whether the element `name`, with or without a prefix, is at its end: `</x:name>` or `<x:name …/>`.
fn has_tag_end(said: &[u8], name: &str) -> bool {
    if !said.ends_with(b">") {
        return false;
    }
    let said = tail(said, LONGEST_TAG);
    let Some(start) = said.iter().rposition(|b| *b == b'<') else { return false };
    let tag = &said[start + 1..];
    let closes = tag.starts_with(b"/");
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let end = tag.iter().position(|b| b" \t\r\n/>".contains(b)).unwrap_or(tag.len());
    let local = tag[..end].rsplit(|b| *b == b':').next().unwrap_or_default();
    local == name.as_bytes() && (closes || tag.ends_with(b"/>"))
}

/// Whether the server gave up.
fn is_over(said: &[u8]) -> bool {
    ["error", "failure", "stream"].iter().any(|name| has_tag_end(said, name))
}

fn tail(said: &[u8], length: usize) -> &[u8] {
    &said[said.len().saturating_sub(length)..]
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::{XmppClient, XmppServer};
    use super::super::script::run;

    const OPEN: &str = "<?xml version='1.0'?><stream:stream from='peer.example' id='1'>";
    const OFFER: &str = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

    #[test]
    fn tls_starts_behind_proceed() {
        for proceed in
            ["<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed x='y'></proceed>"]
        {
            let (heard, rest) = run(XmppClient, format!("{OPEN}{OFFER}{proceed}TLS")).unwrap();
            let heard = String::from_utf8(heard).unwrap();
            assert!(heard.contains("to='peer.example'") && heard.contains("jabber:client"));
            assert_eq!(rest, b"TLS", "{proceed}");
        }
        let says = format!("{OPEN}{OFFER}<proceed/>");
        let (heard, _) = run(XmppServer, says).unwrap();
        assert!(String::from_utf8(heard).unwrap().contains("jabber:server"));
    }

    #[test]
    fn refusals_are_named() {
        for (says, why) in [
            ("<stream:features><mechanisms/></stream:features>", "does not offer"),
            ("<stream:features/>", "does not offer"),
            ("<stream:error><host-unknown/></stream:error>", "ends the stream"),
            ("</stream:stream>", "ends the stream"),
            (&format!("{OFFER}<failure/></stream:stream>"), "STARTTLS was refused"),
        ] {
            let error = run(XmppClient, format!("{OPEN}{says}")).unwrap_err();
            assert!(error.contains(why), "{says}: {error}");
        }
    }
}
