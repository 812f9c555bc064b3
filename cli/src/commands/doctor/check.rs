//! One check: what was looked at, what was found, and what to do.

use peerkey_core::certificate::printable;
use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// As it should be.
    Well,
    /// Beyond peerkey's reach, or not to be seen from here; it is as well to know.
    Note,
    /// Wants a look.
    Warning,
    /// Something is not held to the policy that looks as if it were.
    Unprotected,
}

impl Severity {
    /// As it is written in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Unprotected => "unprotected",
        }
    }
}

/// A check.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) severity: Severity,
    /// What was looked at.
    pub(super) subject: String,
    /// What was found.
    pub(super) finding: String,
    /// What to do.
    pub(super) remedy: Option<String>,
    /// Each thing that it is about, where there are several.
    pub(super) items: Vec<String>,
}

impl Check {
    fn new(severity: Severity, subject: &str, finding: &str) -> Self {
        let (subject, finding) = (printable(subject), printable(finding));
        Self { severity, subject, finding, remedy: None, items: Vec::new() }
    }

    pub(super) fn well(subject: impl AsRef<str>, finding: impl AsRef<str>) -> Self {
        Self::new(Severity::Well, subject.as_ref(), finding.as_ref())
    }

    pub(super) fn note(subject: impl AsRef<str>, finding: impl AsRef<str>) -> Self {
        Self::new(Severity::Note, subject.as_ref(), finding.as_ref())
    }

    pub(super) fn warning(
        subject: impl AsRef<str>,
        finding: impl AsRef<str>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self::new(Severity::Warning, subject.as_ref(), finding.as_ref()).remedied(remedy)
    }

    pub(super) fn unprotected(
        subject: impl AsRef<str>,
        finding: impl AsRef<str>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self::new(Severity::Unprotected, subject.as_ref(), finding.as_ref()).remedied(remedy)
    }

    pub(super) fn remedied(mut self, remedy: impl AsRef<str>) -> Self {
        self.remedy = Some(printable(remedy.as_ref()));
        self
    }

    pub(super) fn about(mut self, items: impl IntoIterator<Item = String>) -> Self {
        self.items = items.into_iter().map(|item| printable(&item)).collect();
        self
    }

    pub(super) fn document(&self, area: &str) -> Value {
        json!({
            "area": area,
            "severity": self.severity.name(),
            "subject": self.subject,
            "finding": self.finding,
            "remedy": self.remedy,
            "items": self.items,
        })
    }
}
