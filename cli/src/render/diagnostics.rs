//! Mistakes in sources, as compilers show them.

use std::fmt::Write;

use anstyle::Style;
use peerkey_core::certificate::printable;
use peerkey_core::source::Diagnostic;

use super::{BAD, BOLD, DIM, GOOD, ODD, styled};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can, and is probably not meant so.
    Warning,
}

/// All of them, an empty line behind each.
pub fn all(severity: Severity, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| one(severity, diagnostic)).collect()
}

fn one(severity: Severity, diagnostic: &Diagnostic) -> String {
    let (style, word) = match severity {
        Severity::Error => (BAD.bold(), "error"),
        Severity::Warning => (ODD.bold(), "warning"),
    };
    let message = styled(BOLD, format!(": {}", printable(&diagnostic.message)));
    let mut out = format!("{}{message}\n", styled(style, word));
    let number = diagnostic.place.as_ref().map_or(String::new(), |place| place.line.to_string());
    let gap = " ".repeat(number.len());
    if let Some(place) = &diagnostic.place {
        let file = printable(&place.file.to_string_lossy());
        let arrow = styled(DIM, format!("{gap}-->"));
        // A String takes whatever is written to it.
        let _ = writeln!(out, "{arrow} {file}:{}:{}", place.line, place.column);
    }
    if let Some(snippet) = &diagnostic.snippet {
        let bar = |text: &str| styled(DIM, format!("{text} |"));
        let marks = styled(style, "^".repeat(snippet.length));
        let lead = " ".repeat(snippet.start);
        let _ = writeln!(out, "{}\n{} {}", bar(&gap), bar(&number), snippet.line);
        let _ = writeln!(out, "{} {lead}{marks}", bar(&gap));
    }
    if let Some(hint) = &diagnostic.hint {
        out.push_str(&help(&gap, GOOD, hint));
    }
    out.push('\n');
    out
}

fn help(gap: &str, style: Style, hint: &str) -> String {
    let sign = styled(DIM, format!("{gap} ="));
    format!("{sign} {}: {}\n", styled(style, "help"), printable(hint))
}
