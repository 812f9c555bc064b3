//! Why something was not done, in words.

/// Why something was not done, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is the matter.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Trouble {
    /// Trouble that speaks for itself.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Trouble with a file.
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let trouble = Self::new(format!("cannot {doing} {}: {error}", path.display()));
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                trouble.hint("run the command as its owner, or as root")
            }
            _ => trouble,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{}; {hint}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
