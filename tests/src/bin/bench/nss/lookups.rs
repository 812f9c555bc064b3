//! Look-ups, as NSS makes them: by issuer and serial number, and by subject.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use openssl::x509::X509;
use peerkey_tests::artifacts;
use peerkey_tests::der::integer;
use peerkey_tests::nss::BUILTIN_ROOTS;
use peerkey_tests::pkcs11::{Attribute, Library, TRUST_CLASSES, TRUST_USAGES, number};
use peerkey_tests::site::Site;
use pkcs11_sys::*;

use super::{BUNDLE, FEW, MANY, anchored, denied, denying, ratio};
use crate::figure::Figure;

const P11_KIT: &str = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-trust.so";
const ROUNDS: usize = 300;
/// Processes that load a module.
const STARTS: usize = 100;
/// What each round asks for, by turns.
const ASKED: usize = 40;

type Template = Vec<Attribute>;

/// A module with a session.
struct Module {
    library: Library,
    session: CK_SESSION_HANDLE,
}

impl Module {
    fn start(library: &Path, parameters: &str) -> Self {
        let library = Library::load(library);
        assert_eq!(library.initialise(parameters), CKR_OK);
        Self { session: library.session().unwrap(), library }
    }

    /// How many objects there are of what is asked for; of the first one, an attribute is read, as a
    /// program does it.
    fn ask(&self, template: &[Attribute], attribute: CK_ATTRIBUTE_TYPE) -> usize {
        let found = self.library.find(self.session, template).unwrap();
        if let Some(first) = found.first() {
            let value = self.library.value(self.session, *first, attribute).unwrap();
            assert!(value.is_some_and(|value| !value.is_empty()));
        }
        found.len()
    }
}

/// A kind of look-up: what is asked for, whether it is there, and what is then read of it.
struct Question {
    what: &'static str,
    templates: Vec<Template>,
    there: bool,
    reads: CK_ATTRIBUTE_TYPE,
}

impl Question {
    /// Microseconds for one look-up.
    fn put(&self, module: &Module) -> f64 {
        let start = Instant::now();
        for template in &self.templates {
            assert_eq!(module.ask(template, self.reads) > 0, self.there, "{}", self.what);
        }
        start.elapsed().as_secs_f64() * 1e6 / self.templates.len() as f64
    }
}

/// NSS's own trust object of a certificate.
fn trust(issuer: &[u8], serial: &[u8]) -> Template {
    vec![
        (CKA_TOKEN, vec![1]),
        (CKA_CLASS, number(TRUST_CLASSES[0])),
        (CKA_ISSUER, issuer.to_vec()),
        (CKA_SERIAL_NUMBER, integer(serial)),
    ]
}

fn by_subject(subject: &[u8]) -> Template {
    vec![
        (CKA_TOKEN, vec![1]),
        (CKA_CLASS, number(CKO_CERTIFICATE)),
        (CKA_SUBJECT, subject.to_vec()),
    ]
}

/// Issuer and serial number.
fn identity(root: &X509) -> (Vec<u8>, Vec<u8>) {
    let serial = root.serial_number().to_bn().unwrap().to_vec();
    (root.issuer_name().to_der().unwrap(), serial)
}

/// Three questions about roots that every module has.
fn questions(modules: &[&Module]) -> [Question; 3] {
    let bundle = X509::stack_from_pem(&fs::read(BUNDLE).unwrap()).unwrap();
    let of_root = |root: &X509| {
        let (issuer, serial) = identity(root);
        trust(&issuer, &serial)
    };
    let everywhere = |root: &&X509| {
        modules.iter().all(|module| module.ask(&of_root(root), TRUST_USAGES[0][0]) > 0)
    };
    let roots: Vec<&X509> = bundle.iter().filter(everywhere).take(ASKED).collect();
    assert_eq!(roots.len(), ASKED, "roots in common");
    let absent = |root: &&X509| {
        let (issuer, mut serial) = identity(root);
        serial.push(7);
        trust(&issuer, &serial)
    };
    let subject = |root: &&X509| by_subject(&root.subject_name().to_der().unwrap());
    let (hits, misses, subjects) = (
        roots.iter().map(|root| of_root(root)).collect(),
        roots.iter().map(absent).collect(),
        roots.iter().map(subject).collect(),
    );
    let server = TRUST_USAGES[0][0];
    [
        Question { what: "trust in a root", templates: hits, there: true, reads: server },
        Question { what: "trust in the unknown", templates: misses, there: false, reads: server },
        Question { what: "root by subject", templates: subjects, there: true, reads: CKA_VALUE },
    ]
}

pub(super) fn measure() -> Vec<Figure> {
    let (site, anchors) = anchored();
    let parameters = format!("state-dir={}", site.path("state").display());
    // Before anything is loaded here, because a child has it, too.
    let mut figures = starts(&parameters, anchors);
    let ours = Module::start(&artifacts::nss_module(), &parameters);
    let builtin = Module::start(Path::new(BUILTIN_ROOTS), "");
    let p11_kit = Module::start(Path::new(P11_KIT), "");
    for question in questions(&[&ours, &builtin, &p11_kit]) {
        let [builtin, ours, p11_kit] = in_turns(&[&builtin, &ours, &p11_kit], &question);
        let what = question.what;
        let to = |other: &[f64]| both(other, &ours);
        figures.push(ratio(&format!("{what}: libnssckbi"), &to(&builtin), "µs", 1.5));
        figures.push(ratio(&format!("{what}: p11-kit-trust"), &to(&p11_kit), "µs", 1.0));
    }
    figures.extend(large());
    figures
}

fn both(other: &[f64], ours: &[f64]) -> Vec<[f64; 2]> {
    other.iter().zip(ours).map(|(other, ours)| [*other, *ours]).collect()
}

/// Puts a question to each module by turns.
fn in_turns<const N: usize>(modules: &[&Module; N], question: &Question) -> [Vec<f64>; N] {
    let mut rounds = [const { Vec::new() }; N];
    for round in 0..ROUNDS {
        for turn in 0..N {
            let index = (round + turn) % N;
            rounds[index].push(question.put(modules[index]));
        }
    }
    rounds
}

/// The same look-ups in a policy with many entries, beside one with few. Each has a copy of the module,
/// because a module is initialised once a process.
fn large() -> Vec<Figure> {
    let sites = [FEW, MANY].map(denying);
    let [few, many] = [0, 1].map(|index: usize| {
        let site: &Site = &sites[index];
        let copy = site.path("copy.so");
        fs::copy(artifacts::nss_module(), &copy).unwrap();
        Module::start(&copy, &format!("state-dir={}", site.path("state").display()))
    });
    let server = TRUST_USAGES[0][0];
    let of = |(issuer, serial): (Vec<u8>, Vec<u8>)| trust(&issuer, &serial);
    let absent = |number| {
        let (issuer, mut serial) = denied(number);
        serial.push(7);
        trust(&issuer, &serial)
    };
    let hits = (0..ASKED).map(|number| of(denied(number))).collect();
    let misses = (0..ASKED).map(absent).collect();
    [
        Question { what: "a denial", templates: hits, there: true, reads: server },
        Question { what: "no denial", templates: misses, there: false, reads: server },
    ]
    .iter()
    .map(|question| {
        let [few, many] = in_turns(&[&few, &many], question);
        let what = format!("{}: {MANY} entries, and {FEW}", question.what);
        ratio(&what, &both(&few, &many), "µs", 1.5)
    })
    .collect()
}

/// Load and first answer, in a process of its own each.
fn starts(parameters: &str, anchors: usize) -> Vec<Figure> {
    let modules = [
        (PathBuf::from(BUILTIN_ROOTS), ""),
        (artifacts::nss_module(), parameters),
        (P11_KIT.into(), ""),
    ];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..STARTS {
        for turn in 0..3 {
            let index = (round + turn) % 3;
            let (library, parameters) = &modules[index];
            times[index].push(start(library, parameters));
        }
    }
    let [builtin, ours, p11_kit] = times;
    let what = format!("load and first answer, {anchors} anchors");
    let sum: Vec<f64> = builtin.iter().zip(&p11_kit).map(|(one, other)| one + other).collect();
    vec![
        ratio(&format!("{what}: libnssckbi"), &both(&builtin, &ours), "ms", 1.5),
        ratio(&format!("{what}: p11-kit-trust"), &both(&p11_kit, &ours), "ms", 1.0),
        ratio(&format!("{what}: both one after the other"), &both(&sum, &ours), "ms", 1.0),
    ]
}

/// Milliseconds.
fn start(library: &Path, parameters: &str) -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.arg("first-answer").arg(library).arg(parameters).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Loads a module, and asks it for its trust in a root; the answer is how many milliseconds that took.
pub(crate) fn first_answer(library: &str, parameters: &str) {
    let bundle = fs::read(BUNDLE).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let first = bundle.windows(end.len()).position(|part| part == end.as_bytes()).unwrap();
    let root = X509::from_pem(&bundle[..first + end.len()]).unwrap();
    let (issuer, serial) = identity(&root);
    let template = trust(&issuer, &serial);
    let start = Instant::now();
    let module = Module::start(Path::new(library), parameters);
    let found = module.ask(&template, TRUST_USAGES[0][0]);
    let time = start.elapsed().as_secs_f64() * 1e3;
    assert!(found > 0);
    println!("{time}");
}
