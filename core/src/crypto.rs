//! What core needs of a cryptographic library: an edge fills it in from the one its host has.

#[cfg(feature = "pkix")]
use rustls_pki_types::SignatureVerificationAlgorithm;

/// The host's cryptography.
pub trait Crypto {
    /// The uncompressed point (04 ‖ X ‖ Y, SEC 1 section 2.3.3) of an EC SubjectPublicKeyInfo whose
    /// point is compressed; None where the host cannot say.
    fn uncompressed_point(&self, spki: &[u8]) -> Option<Vec<u8>>;

    /// The signature algorithms that may stand in a certification path.
    #[cfg(feature = "pkix")]
    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm];
}

/// No cryptography at all: for what compares keys and verifies no signature.
#[derive(Clone, Copy, Debug)]
pub struct NoCrypto;

impl Crypto for NoCrypto {
    fn uncompressed_point(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    #[cfg(feature = "pkix")]
    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        &[]
    }
}
