//! Asks a policy, as an edge does: the program's own verification included.

use std::path::{Path, PathBuf};

use peerkey_core::crypto::Crypto;
use peerkey_core::decide::{Application, Decision, Fault};
use peerkey_core::keys::Book;
use peerkey_core::query::{Query, Role};
use peerkey_core::source::{self, Diagnostic, Loaded};
use peerkey_core::store::{self, Compiled, StoreError};
use peerkey_core::verdict::Verdict;
use tempfile::TempDir;

use crate::native::{self, NativeError};

/// Whence the verdict of the program itself comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The one who asks states it.
    Stated(Application),
    /// OpenSSL is asked, with this system's anchors.
    OpenSsl,
    /// Nobody can tell it.
    Unstated,
}

/// A verdict, and what the program itself said.
#[derive(Debug)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// What the program itself said; NotAsked if the answer was clear without it.
    pub application: Application,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The answer hangs on what the program itself says, and nobody said that.
    Unstated,
    /// The compiled policy failed.
    Store(StoreError),
    /// OpenSSL failed.
    OpenSsl(String),
}

impl From<StoreError> for NoAnswer {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NativeError> for NoAnswer {
    fn from(error: NativeError) -> Self {
        match error {
            NativeError::OpenSsl(stack) => Self::OpenSsl(stack.to_string()),
            NativeError::Store(error) => Self::Store(error),
        }
    }
}

/// Asks the policy. Mail is verified with a certificate store, and not by a handshake: there is no server
/// and no client, and denials and constraints hold, but few rules.
pub fn ask(
    policy: &Compiled,
    query: &Query,
    program: &Program,
    crypto: &dyn Crypto,
    book: Option<&dyn Book>,
) -> Result<Answer, NoAnswer> {
    if !is_mail(query) {
        let decision = Decision::new(policy, query, crypto)?;
        let decision = match book {
            Some(book) => decision.with_book(book),
            None => decision,
        };
        return conclude(decision, query, program);
    }
    // As the provider asks it: what is claimed is claimed by whoever comes.
    let query = Query { role: Role::Client, ..query.clone() };
    conclude(Decision::at_store(policy, &query, crypto)?, &query, program)
}

/// Whether a query is about signed mail.
pub fn is_mail(query: &Query) -> bool {
    query.protocol.known().is_some_and(|protocol| protocol.as_str() == "smime")
}

/// In a program its own verification runs even where no rule mentions it, and can
/// find what no grant overrules; so it does here, unless the answer is no already.
fn conclude(
    mut decision: Decision<'_>,
    query: &Query,
    program: &Program,
) -> Result<Answer, NoAnswer> {
    if !decision.consults_application() {
        let verdict = decision.conclude(&Application::NotAsked)?;
        if !verdict.is_accept() || *program == Program::Unstated {
            return Ok(Answer { verdict, application: Application::NotAsked });
        }
    }
    let application = match program {
        Program::Stated(application) => application.clone(),
        Program::OpenSsl => native::ask(&decision, query)?,
        Program::Unstated => return Err(NoAnswer::Unstated),
    };
    let verdict = decision.conclude(&application)?;
    Ok(Answer { verdict, application })
}

/// A refusal for want of a trusted path: the usual one.
pub fn refusal(faults: Vec<Fault>) -> Application {
    let why = faults.iter().map(fault_name).collect::<Vec<_>>().join(", ");
    Application::Refuses { faults, why: format!("stated: {why}") }
}

/// A fault as it is written in test files and in JSON.
pub fn fault_name(fault: &Fault) -> &str {
    match fault {
        Fault::NoTrustedPath => "no-trusted-path",
        Fault::Expired => "expired",
        Fault::NameMismatch => "name-mismatch",
        Fault::Other(_) => "other",
    }
}

/// A policy compiled for this process alone.
#[derive(Debug)]
pub struct Trial {
    /// The policy.
    pub compiled: Compiled,
    /// What was read.
    pub loaded: Loaded,
    /// Holds the files for as long as it lives.
    _folder: TempDir,
}

/// Why sources give no policy.
#[derive(Debug)]
pub enum NoTrial {
    /// They are wrong.
    Sources(Vec<Diagnostic>),
    /// They are right, and could not be compiled.
    Failed(String),
}

/// Compiles the sources in a folder, and puts nothing in force.
pub fn compile(config_dir: &Path, crypto: &dyn Crypto, now: i64) -> Result<Trial, NoTrial> {
    let loaded = source::load(config_dir, crypto, now).map_err(NoTrial::Sources)?;
    let folder = tempfile::tempdir().map_err(|why| {
        NoTrial::Failed(format!("cannot make a temporary folder (TMPDIR): {why}"))
    })?;
    let path = folder.path().join(store::file_name());
    let compiled = store::write(&loaded.policy, &path, now)
        .and_then(|()| open(&path))
        .map_err(|why| NoTrial::Failed(why.to_string()))?;
    Ok(Trial { compiled, loaded, _folder: folder })
}

/// Opens a compiled policy.
pub fn open(path: &Path) -> Result<Compiled, StoreError> {
    match path.to_str() {
        Some(text) => Compiled::open(text),
        None => Err(StoreError::new(path.to_string_lossy(), "its path is not UTF-8")),
    }
}

/// Opens the policy in force, as programs take it: whole, or not at all.
pub fn open_whole(path: &Path) -> Result<Compiled, StoreError> {
    store::check_pages(path)?;
    open(path)
}

/// The policy in force.
pub fn in_force(state_dir: &Path) -> PathBuf {
    state_dir.join(store::file_name())
}
