//! Certificates that are cut off or changed, at every byte.

use super::world::*;
use crate::certificate::Certificate;
use crate::decide::Application;
use crate::key::Key;
use crate::query::Evidence;

/// A world that accepts one leaf, by way of one intermediate.
fn chain() -> (World, [Vec<u8>; 2]) {
    let (root, mut world) = (Ca::root("Root"), World::new());
    let corp = world.x509("corp", scope(&[], &[]), &[&root.certificate()]);
    world.rule(&[], &[], any(&[corp]));
    let ca = root.below("CA");
    let leaf = ca.leaf(&["a.example"]);
    (world, [leaf.certificate.der().to_vec(), ca.certificate().der().to_vec()])
}

/// Whether the world accepts these bytes; None if an edge could not even ask.
fn accepts(world: &World, leaf: &[u8], ca: &[u8]) -> Option<bool> {
    let leaf = Certificate::from_der(leaf).ok()?;
    // A compressed point, which ring cannot bring to the usual form, is refused by every edge.
    Key::from_spki(leaf.spki(), &Ring).ok()?;
    let mut query = server("a.example", "https", &Leaf { certificate: leaf.clone() }, &[]);
    let intermediates = Certificate::from_der(ca).into_iter().collect();
    query.evidence = Evidence { leaf: Some(leaf), intermediates };
    Some(world.accepts(&query, &Application::NotAsked))
}

#[test]
fn what_is_cut_off_anywhere_is_no_certificate() {
    let (world, [leaf, ca]) = chain();
    assert_eq!(accepts(&world, &leaf, &ca), Some(true));
    for length in 0..leaf.len() {
        assert_eq!(accepts(&world, &leaf[..length], &ca), None, "{length}");
    }
    for length in 0..ca.len() {
        assert!(Certificate::from_der(&ca[..length]).is_err(), "{length}");
    }
    assert_eq!(accepts(&world, &leaf, &ca[..ca.len() - 1]), Some(false));
}

#[test]
fn what_is_changed_anywhere_is_not_believed() {
    let (world, [leaf, ca]) = chain();
    let mut read = 0;
    for bit in [0x01, 0x20, 0x80] {
        for at in 0..leaf.len() {
            let mut changed = leaf.clone();
            changed[at] ^= bit;
            let found = accepts(&world, &changed, &ca);
            assert_ne!(found, Some(true), "the leaf's byte {at} with {bit:#x}");
            read += usize::from(found.is_some());
        }
        for at in 0..ca.len() {
            let mut changed = ca.clone();
            changed[at] ^= bit;
            let found = accepts(&world, &leaf, &changed);
            assert_ne!(found, Some(true), "the CA's byte {at} with {bit:#x}");
        }
    }
    assert!(read > 300, "most changes leave a certificate: {read}");
}
