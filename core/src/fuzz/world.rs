//! What the targets share: a policy that uses everything, and a cryptography that believes anything.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use super::assert_printable;
use crate::certificate::CertificateName;
use crate::crypto::Crypto;
use crate::decide::{Application, Decision, Fault};
use crate::policy::Policy;
use crate::query::Query;
use crate::source;
use crate::store::{self, Compiled};
use crate::verdict::{Finding, Node, Outcome, Verdict};

pub(super) const NOW: i64 = 1_800_000_000;

/// The policy, its anchors and its CRL.
pub(super) const POLICY: &str = include_str!("../../fuzz/world/policy.toml");
const FILES: [(&str, &[u8]); 4] = [
    ("root.pem", include_bytes!("../../fuzz/world/root.pem")),
    ("root.crl", include_bytes!("../../fuzz/world/root.crl")),
    ("other.der", include_bytes!("../../fuzz/world/other.der")),
    ("key.pem", include_bytes!("../../fuzz/world/key.pem")),
];

/// A folder of this process's own, in memory where there is such a place.
pub(super) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = place.join(format!("peerkey-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// A folder of policy sources with what they can name beside them.
pub(super) fn sources(name: &str, policy: &[u8]) -> PathBuf {
    let folder = folder().join(name);
    if !folder.exists() {
        std::fs::create_dir(&folder).unwrap();
        for (name, content) in FILES {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
    std::fs::write(folder.join("policy.toml"), policy).unwrap();
    folder
}

/// Compiles a policy to a file, which replaces the one before.
pub(super) fn compile(policy: &Policy, name: &str) -> PathBuf {
    let path = folder().join(name);
    let _ = std::fs::remove_file(&path);
    store::write(policy, &path, NOW).unwrap();
    path
}

pub(super) fn open(path: &Path) -> Result<Compiled, store::StoreError> {
    Compiled::open(path.to_str().unwrap())
}

/// The policy of this world, compiled.
pub(super) fn compiled() -> PathBuf {
    let folder = sources("world", POLICY.as_bytes());
    let loaded = source::load(&folder, &Believing, NOW);
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors:?}"));
    compile(&loaded.policy, "world.db")
}

/// Every signature is right, and every compressed point is the same: what stands behind a signature is
/// reached too.
#[derive(Debug)]
pub(super) struct Believing;

#[derive(Debug)]
struct Right(AlgorithmIdentifier, AlgorithmIdentifier);

static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 4] = [
    &Right(alg_id::ECDSA_P256, alg_id::ECDSA_SHA256),
    &Right(alg_id::ECDSA_P384, alg_id::ECDSA_SHA256),
    &Right(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256),
    &Right(alg_id::ED25519, alg_id::ED25519),
];

impl Crypto for Believing {
    fn uncompressed_point(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some([&[4][..], &[7; 64]].concat())
    }

    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        &ALGORITHMS
    }
}

impl SignatureVerificationAlgorithm for Right {
    fn verify_signature(&self, key: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        assert!(key.len() < 3000 || self.0 != alg_id::RSA_ENCRYPTION, "a key that is too long");
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.1
    }
}

/// Asks in every way in which an edge does, and looks at all that comes back.
pub(super) fn ask(policy: &Compiled, query: &Query) {
    let Ok(mut decision) = Decision::new(policy, query, &Believing) else { return };
    let refuses = |fault| Application::Refuses { faults: vec![fault], why: "no".into() };
    if !decision.consults_application() {
        let Ok(verdict) = decision.conclude(&Application::NotAsked) else { return };
        look_at(query, &verdict);
    }
    let Ok(strict) = decision.conclude(&refuses(Fault::Other("revoked".into()))) else { return };
    look_at(query, &strict);
    assert!(!strict.is_accept() || strict.would().is_some(), "nothing overrules a revocation");
    for fault in [Fault::NoTrustedPath, Fault::Expired, Fault::NameMismatch] {
        let Ok(verdict) = decision.conclude(&refuses(fault)) else { return };
        look_at(query, &verdict);
    }
    let Ok(verdict) = decision.conclude(&Application::Accepts) else { return };
    look_at(query, &verdict);
}

fn look_at(query: &Query, verdict: &Verdict) {
    for outcome in [Some(verdict.outcome()), verdict.would()].into_iter().flatten() {
        match outcome {
            Outcome::Accept(basis) => assert_printable(&basis.to_string()),
            Outcome::Reject(reason) => assert_printable(&reason.to_string()),
        }
    }
    let trace = verdict.trace();
    trace.notes.iter().for_each(|note| assert_printable(note));
    for case in &trace.cases {
        assert_printable(&case.peer);
        look_at_node(&case.accept, &case.peer, query);
    }
}

/// A path vouches for nobody whom the certificate does not name.
fn look_at_node(node: &Node, peer: &str, query: &Query) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|node| look_at_node(node, peer, query)),
        Node::Authority { finding: Finding::Vouches(text), .. } => {
            assert_printable(text);
            if text.starts_with("a path ") {
                let peer = peer.split(" at ").next().unwrap_or(peer);
                let name = crate::peer::Name::parse(peer);
                // A case can be about every host that a wildcard covers: then it is called as that is.
                let is_it = |own: &CertificateName| {
                    own.to_string() == peer || name.as_ref().is_some_and(|name| own.covers(name))
                };
                let names = query.evidence.leaf.iter().flat_map(|leaf| &leaf.names().supported);
                let names = names.into_iter().any(is_it);
                assert!(names, "{text}");
            }
        }
        Node::Authority { finding: Finding::Silent(text), .. } => assert_printable(text),
        Node::Authority { finding: Finding::NotAsked, .. } => {}
    }
}
