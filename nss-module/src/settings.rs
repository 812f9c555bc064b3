//! The module's parameter string: what `modutil -string` says, or p11-kit's `x-init-reserved` where a program
//! leaves initialising to p11-kit.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const DEFAULT_STATE_DIR: &[u8] = b"/var/lib/peerkey";

/// `state-dir=/var/lib/peerkey on-error=reject`, in any order, each of them optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The folder of the compiled policy.
    pub(crate) state_dir: PathBuf,
    /// What holds where nothing can be looked up.
    pub(crate) on_error: OnError,
}

/// `on-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Every certificate that is asked about is distrusted. Also for a word that is not known.
    Reject,
    /// The token is empty: what holds is what the program finds elsewhere.
    Application,
}

impl Settings {
    /// What the string says. Words that are not known are passed over, so that a string for a later
    /// version does not switch this one off.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let (mut state_dir, mut on_error) = (DEFAULT_STATE_DIR.to_vec(), OnError::Reject);
        for (name, value) in words(text) {
            match name {
                b"state-dir" => state_dir = value,
                b"on-error" if value == b"application" => on_error = OnError::Application,
                b"on-error" => on_error = OnError::Reject,
                _ => {}
            }
        }
        Self { state_dir: PathBuf::from(OsStr::from_bytes(&state_dir)), on_error }
    }
}

/// `name=value` words. A value may stand in quotes of either kind, as NSS writes them.
fn words(mut text: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut words = Vec::new();
    loop {
        text = text.trim_ascii_start();
        if text.is_empty() {
            return words;
        }
        let end = text.iter().position(|b| *b == b'=' || b.is_ascii_whitespace());
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let Some(rest) = rest.strip_prefix(b"=") else {
            text = rest;
            continue;
        };
        let (value, rest) = value(rest);
        words.push((name, value));
        text = rest;
    }
}

/// A value, and what comes after it.
fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let quote = text.first().copied().filter(|first| matches!(first, b'"' | b'\''));
    let body = if quote.is_some() { text.get(1..).unwrap_or_default() } else { text };
    let ends = |byte: u8| quote.map_or(byte.is_ascii_whitespace(), |quote| byte == quote);
    let end = body.iter().position(|byte| ends(*byte)).unwrap_or(body.len());
    let (value, rest) = body.split_at(end);
    let rest = if quote.is_some() { rest.get(1..).unwrap_or_default() } else { rest };
    (value.to_vec(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parsed(text: &str) -> (String, OnError) {
        let settings = Settings::parse(text.as_bytes());
        (settings.state_dir.display().to_string(), settings.on_error)
    }

    #[test]
    fn nothing_is_the_default() {
        let default = ("/var/lib/peerkey".to_owned(), OnError::Reject);
        for text in ["", "  ", "x", "=", "x=y z", "on-error", "on-error="] {
            assert_eq!(parsed(text), default, "{text:?}");
        }
    }

    #[test]
    fn words_in_any_order() {
        let all = ("/a".to_owned(), OnError::Application);
        assert_eq!(parsed("state-dir=/a on-error=application"), all);
        assert_eq!(parsed("new=1 other\n\ton-error='application'  state-dir=\"/a\""), all);
    }

    #[test]
    fn quotes_keep_blanks() {
        assert_eq!(parsed("state-dir='/a b' x=y").0, "/a b");
        assert_eq!(parsed("state-dir=\"/a 'b\"").0, "/a 'b");
        assert_eq!(parsed("state-dir='/a").0, "/a");
    }

    #[test]
    fn only_the_word_itself_opens() {
        for word in ["applications", "Application", "accept", "application,"] {
            assert_eq!(parsed(&format!("on-error={word}")).1, OnError::Reject, "{word}");
        }
    }
}
