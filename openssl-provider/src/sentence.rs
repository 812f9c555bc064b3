#![forbid(unsafe_code)]
//! A refusal in words: whole, and short enough for every program.

use peerkey_core::certificate::printable;
use peerkey_core::verdict::Reason;

/// What does not fit into a program's buffer, ERR_error_string_n(3) leaves out altogether: curl's has 256
/// bytes, of which 41 are gone before the sentence begins.
const BRIEF: usize = 200;
/// Where there is no such limit.
const WHOLE: usize = 600;
const LEAD: &str = "peerkey: ";
const CUT: &str = "...";

/// One line, without control characters, that begins with `peerkey: `.
pub(crate) struct Sentence {
    /// All of it, as far as that is bearable.
    pub(crate) whole: String,
    /// At most 200 bytes of it.
    pub(crate) brief: String,
}

impl Sentence {
    /// The sentence for a reason; `because` says why it is enforced where that is not plain.
    pub(crate) fn new(because: &str, reason: &Reason) -> Self {
        let whole = printable(&format!("{LEAD}{because}{reason}"));
        let brief = if whole.len() <= BRIEF { whole.clone() } else { brief(because, reason) };
        Self { whole: shortened(&whole, WHOLE), brief }
    }

    /// The sentence for what has none of its own.
    pub(crate) fn any() -> Self {
        let text = format!("{LEAD}the policy does not accept the peer");
        Self { whole: text.clone(), brief: text }
    }
}

/// Every authority that was asked is named: each finding is cut to its share, and the short ones come
/// first, because libpq shows 127 bytes only.
fn brief(because: &str, reason: &Reason) -> String {
    let Reason::NotVouched { case, rule, findings } = reason else {
        return shortened(&printable(&format!("{LEAD}{because}{reason}")), BRIEF);
    };
    let mut findings: Vec<String> = findings.iter().map(|finding| printable(finding)).collect();
    findings.sort_by_key(String::len);
    let nothing =
        Reason::NotVouched { case: case.clone(), rule: rule.clone(), findings: Vec::new() };
    let mut text = printable(&format!("{LEAD}{because}{nothing}"));
    let between = 2 * findings.len().saturating_sub(1);
    let room = BRIEF.saturating_sub(text.len() + between);
    text.push_str(&shares(&findings, room).join("; "));
    shortened(&text, BRIEF)
}

/// The texts, the shortest first, cut so that together they fit; short ones leave room to long ones.
fn shares(texts: &[String], mut room: usize) -> Vec<String> {
    let mut cut = Vec::with_capacity(texts.len());
    for (done, text) in texts.iter().enumerate() {
        let share = shortened(text, room / (texts.len() - done));
        room = room.saturating_sub(share.len());
        cut.push(share);
    }
    cut
}

/// At most this many bytes of a text, and whole characters.
fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let most = longest.saturating_sub(CUT.len());
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}{CUT}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_vouched(findings: &[&str]) -> Reason {
        Reason::NotVouched {
            case: "bank.example over https".into(),
            rule: "rule 1 (policy.toml:11)".into(),
            findings: findings.iter().map(|&finding| finding.to_owned()).collect(),
        }
    }

    #[test]
    fn a_short_sentence_is_said_whole() {
        let sentence = Sentence::new("", &not_vouched(&["pins: it has no key"]));
        assert_eq!(sentence.whole, sentence.brief);
        assert!(sentence.brief.ends_with("bank.example over https: pins: it has no key"));
    }

    #[test]
    fn a_long_sentence_names_every_authority() {
        let long = format!("corp: no path {}", "x".repeat(300));
        let reason = not_vouched(&[&long, "pins: it has another key", "application: no"]);
        let sentence = Sentence::new("", &reason);
        assert!((180..=BRIEF).contains(&sentence.brief.len()), "{}", sentence.brief);
        let expected = "over https: application: no; pins: it has another key; corp: no path x";
        assert!(sentence.brief.contains(expected), "{}", sentence.brief);
        let many: Vec<String> = (0..40).map(|i| format!("authority-{i}: {long}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let sentence = Sentence::new("", &not_vouched(&many));
        assert!(sentence.brief.len() <= BRIEF && sentence.whole.len() <= WHOLE);
    }

    #[test]
    fn what_is_cut_is_cut_between_characters() {
        let long = "\u{e9}".repeat(300);
        for longest in [200, 201] {
            let short = shortened(&long, longest);
            assert!((199..=longest).contains(&short.len()) && short.ends_with("\u{e9}..."));
        }
        let sentence = Sentence::new("", &Reason::CannotDecide("a\nb\u{1b}c".into()));
        assert!(!sentence.whole.contains(['\n', '\u{1b}']));
    }
}
