//! CAs: anchors, twins, originals, constraints.

use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::store::write;

const CORP: &str = "[authority.corp]\nkind = \"x509\"\nanchors = [\"corp.pem\"]\n";

fn extension<'a>(parsed: &'a X509Certificate<'_>, oid: &str) -> Option<(&'a [u8], bool)> {
    let found = parsed.extensions().iter().find(|e| e.oid.to_id_string() == oid);
    found.map(|extension| (extension.value, extension.critical))
}

#[test]
fn a_scoped_authority_is_a_twin_and_its_original_is_no_anchor() {
    let root = Issuer::root("Corp Root");
    let text = format!(
        "{CORP}[[rule]]\npeers = [\".corp.example\"]\naccept = {{ any = [\"corp\"] }}\n\
         [authority.other]\nkind = \"x509\"\nanchors = [\"other.pem\"]\n\
         [default]\naccept = {{ any = [\"other\"] }}"
    );
    let (corp, other) = (root.pem(), Issuer::root("Other").pem());
    let objects = objects(&policy(&text, &[("corp.pem", &corp), ("other.pem", &other)]));
    let own = root.certificate();
    let twins = objects.twins(&own);
    let [(twin, trust)] = twins.as_slice() else { panic!("{twins:?}") };
    assert_eq!(*trust, [TD, MV, MV]);
    assert_eq!((twin.subject(), twin.spki()), (own.subject(), own.spki()));
    assert_eq!(twin.validity(), own.validity());
    assert_ne!(twin.issuer(), own.issuer());
    assert_eq!((twin.limits().version, twin.limits().is_ca), (3, Some(true)));
    let purposes = twin.limits().purposes.unwrap();
    assert!(purposes.server && !purposes.client && !purposes.email);
    let (_, parsed) = X509Certificate::from_der(twin.der()).unwrap();
    let (_, original) = X509Certificate::from_der(own.der()).unwrap();
    let key_id = "2.5.29.14";
    assert_eq!(extension(&parsed, key_id), extension(&original, key_id));
    assert!(extension(&parsed, "2.5.29.19").unwrap().1, "basicConstraints is critical");
    let (constraints, critical) = extension(&parsed, "2.5.29.30").unwrap();
    assert!(critical);
    assert!(constraints.windows(12).any(|w| w == b"corp.example"));
    let trust = objects.trust(&own).unwrap();
    assert_eq!((three(&trust), trust.code), ([MV, MV, MV], MV));
    assert!(trust.sha1.is_some() && trust.sha256.is_some());
    assert!(objects.closed);
}

#[test]
fn the_same_policy_makes_the_same_bytes() {
    let root = Issuer::root("Corp Root");
    let text =
        format!("{CORP}peers = [\".corp.example\"]\n[default]\naccept = {{ any = [\"corp\"] }}");
    let policy = policy(&text, &[("corp.pem", &root.pem())]);
    let ders = || objects(&policy).certificates.into_iter().map(|c| c.row.der).collect::<Vec<_>>();
    assert_eq!(ders(), ders());
    assert!(!ders().is_empty());
}

#[test]
fn an_authority_for_everything_is_an_anchor_as_it_is() {
    let root = Issuer::root("Web Root");
    let text = format!("{CORP}[default]\naccept = {{ any = [\"corp\"] }}");
    let objects = objects(&policy(&text, &[("corp.pem", &root.pem())]));
    let own = root.certificate();
    assert!(objects.twins(&own).is_empty());
    // Nobody said that it vouches for clients; mail is asked like a server.
    assert_eq!(three(&objects.trust(&own).unwrap()), [TD, MV, TD]);
    assert_eq!(objects.certificates[0].row.der, own.der());
    assert!(objects.closed);
}

#[test]
fn what_programs_decide_by_themselves_is_left_alone() {
    let root = Issuer::root("Corp Root");
    let policy = policy("", &[]);
    assert!(objects(&policy).trust.is_empty() && !objects(&policy).closed);
    let text = format!(
        "{CORP}[[rule]]\npeers = [\".corp.example\"]\naccept = {{ any = [\"application\", \"corp\"] }}"
    );
    let objects = objects(&super::policy(&text, &[("corp.pem", &root.pem())]));
    let own = root.certificate();
    assert_eq!(objects.trust(&own), None, "it could be one that programs have");
    let twins = objects.twins(&own);
    let [(twin, [TD, MV, MV])] = twins.as_slice() else { panic!("{twins:?}") };
    let (from, to) = own.validity();
    assert_eq!(twin.validity(), (from - 1, to), "older, so that the program's own is taken first");
}

#[test]
fn a_root_of_the_systems_is_held_to_what_programs_may_decide() {
    let root = Issuer::root("Builtin");
    let text = format!(
        "{CORP}[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\npeer = \"www.bank.example\"\n\
         spki = [\"sha256/{}\"]\n\
         [[rule]]\npeers = [\".bank.example\"]\naccept = {{ all = [\"corp\", \"pins\"] }}",
        "A".repeat(43) + "="
    );
    let mut policy = policy(&text, &[("corp.pem", &root.pem())]);
    let own = root.certificate();
    // Not the system's: nobody but a rule could make it an anchor, and none does.
    let strange = objects(&policy);
    assert!(strange.twins(&own).is_empty());
    assert_eq!(three(&strange.trust(&own).unwrap()), [MV, MV, MV]);
    policy.system = vec![own.clone()];
    let objects = objects(&policy);
    let twins = objects.twins(&own);
    let [(twin, [TD, MV, MV])] = twins.as_slice() else { panic!("{twins:?}") };
    let constraints = twin.limits().name_constraints.clone().unwrap();
    assert!(constraints.windows(12).any(|w| w == b"bank.example"), "cut out");
    assert!(!objects.closed);
}

#[test]
fn one_twin_a_usage() {
    let root = Issuer::root("Corp Root");
    let text = format!(
        "{CORP}[[rule]]\npeers = [\".corp.example\"]\nprotocols = [\"https\"]\naccept = {{ any = [\"corp\"] }}\n\
         [[rule]]\npeers = [\"@corp.example\"]\nprotocols = [\"smime\"]\naccept = {{ any = [\"corp\"] }}\n\
         [[rule]]\nrole = \"client\"\naccept = {{ any = [\"corp\"] }}\n\
         [authority.none]\nkind = \"x509\"\nanchors = [\"other.pem\"]\n\
         [default]\naccept = {{ any = [\"none\"] }}"
    );
    let other = Issuer::root("Other");
    let files = [("corp.pem", root.pem()), ("other.pem", other.pem())];
    let files: Vec<_> = files.iter().map(|(name, pem)| (*name, pem.as_str())).collect();
    let objects = objects(&policy(&text, &files));
    let own = root.certificate();
    let mut trust: Vec<_> = objects.twins(&own).into_iter().map(|(_, trust)| trust).collect();
    trust.sort();
    assert_eq!(trust, [[TD, MV, MV], [MV, MV, TD]]);
    // For all clients it is an anchor as it is.
    assert_eq!(three(&objects.trust(&own).unwrap()), [MV, TD, MV]);
}

#[test]
fn an_intermediate_that_is_an_anchor_is_distrusted_beside_its_twin() {
    let root = Issuer::root("Root");
    let ca = root.below("Sub");
    let text =
        format!("{CORP}peers = [\".corp.example\"]\n[default]\naccept = {{ any = [\"corp\"] }}");
    let objects = objects(&policy(&text, &[("corp.pem", &ca.pem())]));
    assert_eq!(three(&objects.trust(&ca.certificate()).unwrap()), [NT, NT, NT]);
    assert_eq!(objects.twins(&ca.certificate()).len(), 1);
}

#[test]
fn another_certificate_of_a_scoped_ca_is_no_way_around() {
    let (root, above) = (Issuer::root("Corp Root"), Issuer::root("Above"));
    let bridge = above.certify("Corp Root", root.key());
    let files = [("corp.pem", root.pem()), ("bridge.pem", bridge.pem())];
    let files: Vec<_> = files.iter().map(|(name, pem)| (*name, pem.as_str())).collect();
    let text = format!(
        "{CORP}peers = [\".corp.example\"]\n\
         [[constraint]]\nca = [\"bridge.pem\"]\npeers = [\".corp.example\", \".example.net\"]\n\
         [default]\naccept = {{ any = [\"corp\"] }}"
    );
    let objects = objects(&policy(&text, &files));
    assert_eq!(three(&objects.trust(&root.certificate()).unwrap()), [MV, MV, MV]);
    assert_eq!(three(&objects.trust(&bridge.certificate()).unwrap()), [NT, NT, NT]);
    let twins = objects.twins(&root.certificate());
    assert_eq!(twins.len(), 1 + objects.twins(&bridge.certificate()).len() - twins.len());
}

#[test]
fn a_constraint_holds_a_root_of_the_systems_and_a_ca_below_it() {
    let root = Issuer::root("Builtin");
    let ca = root.below("State CA");
    let mut policy =
        policy("[[constraint]]\nca = [\"ca.pem\"]\npeers = [\".br\"]\n", &[("ca.pem", &ca.pem())]);
    let own = ca.certificate();
    let unknown = objects(&policy);
    assert!(unknown.twins(&own).is_empty(), "nobody known signed it");
    assert_eq!(unknown.trust(&own).unwrap().server, NT);
    policy.system = vec![root.certificate()];
    let constraint = &mut policy.constraints[0].certificates[0];
    assert!(crate::signed::is_signed_by(&own, &root.certificate(), &Ring));
    assert!(!crate::signed::is_signed_by(&own, &Issuer::root("Builtin").certificate(), &Ring));
    constraint.issuers = vec![root.certificate().fingerprint()];
    let objects = objects(&policy);
    let twins = objects.twins(&own);
    let [(twin, [TD, MV, MV])] = twins.as_slice() else { panic!("{twins:?}") };
    let constraints = twin.limits().name_constraints.clone().unwrap();
    assert!(constraints.windows(4).any(|w| w == [0x82, 2, b'b', b'r']));
    assert_eq!(objects.trust(&own).unwrap().server, NT);
    assert_eq!(objects.trust(&root.certificate()), None);
}

#[test]
fn what_ends_ends_in_the_compiled_policy() {
    let root = Issuer::root("Corp Root");
    let text = format!(
        "{CORP}peers = [\".corp.example\"]\nuntil = 2026-06-30\n\
         [default]\naccept = {{ any = [\"corp\"] }}"
    );
    let policy = policy(&text, &[("corp.pem", &root.pem())]);
    let end = policy.authorities[1].scope.until.unwrap();
    let objects = objects(&policy);
    let own = root.certificate();
    assert_eq!(objects.twins_at(&own, end).len(), 1);
    assert_eq!(objects.twins_at(&own, end + 1).len(), 0);
    assert_eq!(objects.trust.len(), 2, "the original's trust is one row: {:?}", objects.trust);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.db");
    write(&policy, &path, NOW).unwrap();
    let compiled = crate::store::Compiled::open(path.to_str().unwrap()).unwrap();
    assert_eq!(compiled.nss_by_subject(own.subject(), end).unwrap().len(), 1);
    assert_eq!(compiled.nss_by_subject(own.subject(), end + 1).unwrap().len(), 0);
}

#[test]
fn only_watching_tells_nothing() {
    let root = Issuer::root("Corp Root");
    let text = format!("mode = \"monitor\"\n{CORP}[default]\naccept = {{ any = [\"corp\"] }}");
    let objects = objects(&policy(&text, &[("corp.pem", &root.pem())]));
    assert!(objects.trust.is_empty() && objects.certificates.is_empty() && !objects.closed);
}

#[test]
fn denials_are_told_by_issuer_and_serial_without_a_hash() {
    let root = Issuer::root("Corp Root");
    let text = format!(
        "{CORP}[[deny]]\ncertificate = \"corp.pem\"\n\
         [[deny]]\nissuer = \"corp.pem\"\nserial = \"80:01\"\nuntil = 2026-06-30\n\
         [default]\naccept = {{ any = [\"corp\"] }}"
    );
    let policy = policy(&text, &[("corp.pem", &root.pem())]);
    let objects = objects(&policy);
    let own = root.certificate();
    let trust = objects.trust(&own).unwrap();
    assert_eq!((three(&trust), trust.code, trust.sha1), ([NT, NT, NT], NT, None));
    assert!(objects.certificates.is_empty(), "{:?}", objects.certificates);
    for serial in [&[2, 3, 0, 0x80, 1][..], &[2, 2, 0x80, 1]] {
        let trust = objects.trust_of(own.subject(), serial, NOW).unwrap();
        assert_eq!(three(&trust), [NT, NT, NT]);
        let end = policy.denials[1].until.unwrap();
        assert_eq!(objects.trust_of(own.subject(), serial, end + 1), None);
    }
}

#[test]
fn a_denied_key_denies_the_certificates_that_are_known() {
    let root = Issuer::root("Corp Root");
    let text =
        format!("{CORP}[[deny]]\nspki = \"corp.pem\"\n[default]\naccept = {{ any = [\"corp\"] }}");
    let objects = objects(&policy(&text, &[("corp.pem", &root.pem())]));
    assert_eq!(three(&objects.trust(&root.certificate()).unwrap()), [NT, NT, NT]);
    assert!(objects.twins(&root.certificate()).is_empty() && objects.certificates.is_empty());
}
