//! How true what NSS is told is to the policy: a line for each thing that the policy says.

use super::Look;
use super::anchors::{Part, Questions};
use super::cas::Ca;
use super::judge::{Decides, Voter, is_for};
use super::pins;
use super::usage::Usage;
use crate::policy::{AuthorityKind, Constraint, DenialTarget, Mode, Rule};
use crate::rule::{APPLICATION, Accept};

mod authorities;
mod rules;

/// How NSS sees one thing that the policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub about: About,
    /// What it says, in short.
    pub what: String,
    /// Where it stands; empty for what is said by default.
    pub place: String,
    /// What NSS refuses although the policy accepts it.
    pub stricter: Vec<String>,
    /// What NSS accepts although the policy refuses it.
    pub laxer: Vec<Laxer>,
    /// What Firefox no longer does.
    pub lost_in_firefox: Option<String>,
}

/// Something that NSS cannot be kept from accepting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Laxer {
    /// What it is.
    pub what: String,
    /// What can be done about it.
    pub remedy: String,
}

/// The kinds of things that a policy says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// `[[rule]]`.
    #[default]
    Rule,
    /// `[default]`.
    Default,
    /// `[authority.NAME]`.
    Authority,
    /// A key of an authority of pins.
    Pin,
    /// `[[constraint]]`.
    Constraint,
    /// `[[deny]]`.
    Denial,
}

/// How something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// As the policy says.
    Exact,
    /// NSS accepts less.
    Stricter,
    /// NSS accepts more.
    Laxer,
}

impl Line {
    fn new(about: About, what: impl Into<String>, place: &crate::policy::Place) -> Self {
        let place = if place.line == 0 { String::new() } else { place.to_string() };
        Self { about, what: what.into(), place, ..Self::default() }
    }

    /// How it is told, on the whole.
    pub fn how(&self) -> How {
        match (self.laxer.is_empty(), self.stricter.is_empty()) {
            (false, _) => How::Laxer,
            (true, false) => How::Stricter,
            (true, true) => How::Exact,
        }
    }

    fn stricter(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.stricter.contains(&what) {
            self.stricter.push(what);
        }
    }

    fn laxer(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        let laxer = Laxer { what: what.into(), remedy: remedy.into() };
        if !self.laxer.contains(&laxer) {
            self.laxer.push(laxer);
        }
    }
}

impl Look<'_> {
    /// All lines, in the order in which a policy is thought of.
    pub(super) fn lines(&self) -> Vec<Line> {
        let policy = self.epoch.policy;
        let rules = policy.rules.iter().enumerate().map(|(index, rule)| self.rule(index, rule));
        let mut lines: Vec<Line> = rules.collect();
        lines.push(self.default());
        for (index, authority) in policy.authorities.iter().enumerate().skip(1) {
            lines.push(self.authority(index, authority));
            if let AuthorityKind::Pin { pins } = &authority.kind {
                lines.extend(pins.iter().map(|pin| self.pin(index, pin)));
            }
        }
        lines.extend(policy.constraints.iter().map(|constraint| self.constraint(constraint)));
        lines.extend(policy.denials.iter().map(denial));
        lines
    }

    fn servers(&self) -> &Questions<'_> {
        &self.anchors.questions[0]
    }

    fn constraint(&self, constraint: &Constraint) -> Line {
        let what = match constraint.certificates.first() {
            Some(named) => named.certificate.to_string(),
            None => constraint.cas.first().map(ToString::to_string).unwrap_or_default(),
        };
        let mut line = Line::new(About::Constraint, what, &constraint.place);
        if constraint.scope.until.is_some_and(|until| until < self.epoch.now) {
            return line;
        }
        for key in &constraint.cas {
            let mut known = self.anchors.cas.iter().filter(|ca| ca.key == *key).peekable();
            if known.peek().is_none() {
                let what = format!("the CA with the key {key} is known by its key only");
                line.laxer(what, "name a file with its certificate in ca");
            }
            known.for_each(|ca| self.limited(ca, &mut line));
        }
        line
    }

    /// What is to be said of a CA that a constraint is about.
    fn limited(&self, ca: &Ca<'_>, line: &mut Line) {
        let limits = self.anchors.questions.iter().any(|questions| {
            !matches!(self.anchors.part(ca, questions), Part::Alone(_) | Part::Plain)
        });
        if !limits {
            return;
        }
        line.stricter(WHOLE);
        if ca.members.iter().all(|member| member.is_root()) {
            return;
        }
        if ca.is_only_limited() && ca.members.iter().all(|member| member.issuers.is_empty()) {
            line.stricter("no path goes through it at all: who signed it is not known here");
        }
        line.laxer(
            "another certificate for this CA and its key, sent by a server, is a way around it in \
             Firefox and Thunderbird",
            "name the files of its other certificates in ca, too",
        );
    }
}

/// What holds for all that is held to names.
const WHOLE: &str = "a certificate that also names others is refused whole";

fn denial(denial: &crate::policy::Denial) -> Line {
    let what = match (&denial.target, &denial.certificate) {
        (_, Some(certificate)) => certificate.to_string(),
        (DenialTarget::Key(key), None) => key.to_string(),
        (DenialTarget::Certificate(_), None) => "a certificate".into(),
        (DenialTarget::IssuerSerial { serial, .. }, None) => {
            format!("serial number {}", data_encoding::HEXUPPER.encode(serial))
        }
    };
    let mut line = Line::new(About::Denial, what, &denial.place);
    if matches!(denial.target, DenialTarget::Key(_)) {
        line.laxer(
            "certificates with this key that the policy does not name are not refused",
            "deny each of them, once you know it: by certificate, or by issuer and serial",
        );
    }
    line
}

/// Some of many, for a sentence.
fn some(texts: &[String]) -> String {
    const SHOWN: usize = 3;
    match texts.len().checked_sub(SHOWN) {
        None | Some(0) => texts.join(", "),
        Some(more) => format!("{} and {more} more", texts[..SHOWN].join(", ")),
    }
}
