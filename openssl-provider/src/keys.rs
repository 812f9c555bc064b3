//! Public keys that no certificate of the host's holds: those of anchors.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use peerkey_core::key::rsa_numbers;
use rustls_pki_types::alg_id;

use crate::bindings::{
    EVP_PKEY, EVP_PKEY_CTX, EVP_PKEY_PUBLIC_KEY, OSSL_PARAM, OSSL_PARAM_OCTET_STRING,
    OSSL_PARAM_UNSIGNED_INTEGER, OSSL_PARAM_UTF8_STRING,
};
use crate::openssl::OpenSsl;

/// A key of OpenSSL's that we hold a reference to.
pub(crate) struct Key {
    openssl: &'static OpenSsl,
    raw: *mut EVP_PKEY,
}

// SAFETY: an EVP_PKEY that is only read may be used by several threads (openssl-threads(7)), and its
// count of references is atomic.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { self.openssl.crypto.EVP_PKEY_free(self.raw) }
    }
}

impl Key {
    /// The key with this algorithm, the content of an AlgorithmIdentifier, and these bits; `spki` is both
    /// together. To make one from its numbers takes a process a tenth of what OpenSSL 3.0 takes to look
    /// for a decoder.
    pub(crate) fn of(
        openssl: &'static OpenSsl,
        algorithm: &[u8],
        bits: &[u8],
        spki: &[u8],
    ) -> Option<Self> {
        Self::made(openssl, algorithm, bits).or_else(|| Self::decoded(openssl, spki))
    }

    /// As long as it lives.
    pub(crate) fn raw(&self) -> *mut EVP_PKEY {
        self.raw
    }

    fn decoded(openssl: &'static OpenSsl, spki: &[u8]) -> Option<Self> {
        let mut next = spki.as_ptr();
        let length = spki.len().try_into().ok()?;
        // SAFETY: `next` points at that many bytes.
        let raw = unsafe { openssl.crypto.d2i_PUBKEY(null_mut(), &raw mut next, length) };
        (!raw.is_null()).then_some(Self { openssl, raw })
    }

    /// From its numbers or its point (EVP_PKEY_fromdata(3), EVP_PKEY-RSA(7), EVP_PKEY-EC(7)); None for
    /// kinds of keys that are seldom met, and where anything is unusual.
    fn made(openssl: &'static OpenSsl, algorithm: &[u8], bits: &[u8]) -> Option<Self> {
        if algorithm == alg_id::RSA_ENCRYPTION.as_ref() {
            let (n, e) = rsa_numbers(bits)?;
            let [mut n, mut e] = [native_order(n), native_order(e)];
            let unsigned = OSSL_PARAM_UNSIGNED_INTEGER;
            let parts = [(c"n", unsigned, &mut n[..]), (c"e", unsigned, &mut e[..])];
            return Self::from_data(openssl, c"RSA", parts);
        }
        let curves = [
            (alg_id::ECDSA_P256, c"prime256v1"),
            (alg_id::ECDSA_P384, c"secp384r1"),
            (alg_id::ECDSA_P521, c"secp521r1"),
        ];
        let (_, curve) = curves.iter().find(|(id, _)| id.as_ref() == algorithm)?;
        let (mut curve, mut point) = (curve.to_bytes_with_nul().to_vec(), bits.to_vec());
        let parts = [
            (c"group", OSSL_PARAM_UTF8_STRING, &mut curve[..]),
            (c"pub", OSSL_PARAM_OCTET_STRING, &mut point[..]),
        ];
        Self::from_data(openssl, c"EC", parts)
    }

    fn from_data(
        openssl: &'static OpenSsl,
        kind: &CStr,
        parts: [(&'static CStr, i32, &mut [u8]); 2],
    ) -> Option<Self> {
        let [first, second] = parts.map(|(name, kind, data)| parameter(name, kind, data));
        // SAFETY: a null key ends the list, and zeros are a value of the rest.
        let mut parameters = [first?, second?, unsafe { std::mem::zeroed() }];
        let context = Making::new(openssl, kind)?;
        let mut raw = null_mut();
        // SAFETY: the context is valid; the parameters end with a null key, and are copied.
        let made = unsafe {
            openssl.crypto.EVP_PKEY_fromdata_init(context.raw) == 1
                && openssl.crypto.EVP_PKEY_fromdata(
                    context.raw,
                    &raw mut raw,
                    EVP_PKEY_PUBLIC_KEY,
                    parameters.as_mut_ptr(),
                ) == 1
        };
        (made && !raw.is_null()).then_some(Self { openssl, raw })
    }
}

/// A context to make a key in.
struct Making {
    openssl: &'static OpenSsl,
    raw: *mut EVP_PKEY_CTX,
}

impl Making {
    fn new(openssl: &'static OpenSsl, kind: &CStr) -> Option<Self> {
        // SAFETY: a C string; null stands for the default library context and no wishes.
        let raw =
            unsafe { openssl.crypto.EVP_PKEY_CTX_new_from_name(null_mut(), kind.as_ptr(), null()) };
        (!raw.is_null()).then_some(Self { openssl, raw })
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { self.openssl.crypto.EVP_PKEY_CTX_free(self.raw) }
    }
}

/// An OSSL_PARAM(3), as long as its data lives.
fn parameter(name: &'static CStr, kind: i32, data: &mut [u8]) -> Option<OSSL_PARAM> {
    // OpenSSL 3.0 reads texts up to their null, which does not count.
    let data_size = data.len() - usize::from(kind == OSSL_PARAM_UTF8_STRING);
    Some(OSSL_PARAM {
        key: name.as_ptr(),
        data_type: kind.try_into().ok()?,
        data: data.as_mut_ptr().cast::<c_void>(),
        data_size,
        return_size: usize::MAX,
    })
}

/// A big-endian number as OSSL_PARAM wants it.
fn native_order(number: &[u8]) -> Vec<u8> {
    let mut number = number.to_vec();
    if cfg!(target_endian = "little") {
        number.reverse();
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{KeyPair, openssl};
    use crate::memory::encoded;

    /// What a key is encoded as by OpenSSL.
    fn written(key: &Key) -> Vec<u8> {
        // SAFETY: the key is valid; i2d functions write what they measured.
        unsafe { encoded(|out| openssl().crypto.i2d_PUBKEY(key.raw(), out)) }.unwrap()
    }

    /// The end of a SubjectPublicKeyInfo: its key's bits.
    fn bits(spki: &[u8], length: usize) -> &[u8] {
        &spki[spki.len() - length..]
    }

    #[test]
    fn a_key_that_is_made_is_the_one_that_is_decoded() {
        for (kind, group, algorithm, length) in [
            (c"EC", c"P-256", alg_id::ECDSA_P256, 65),
            (c"EC", c"P-384", alg_id::ECDSA_P384, 97),
            (c"EC", c"P-521", alg_id::ECDSA_P521, 133),
            (c"RSA", c"", alg_id::RSA_ENCRYPTION, 270),
        ] {
            let pair = KeyPair::new(kind, group, if kind == c"RSA" { 2048 } else { 0 });
            let spki = pair.spki(false);
            let bits = bits(&spki, length);
            let made = Key::made(openssl(), algorithm.as_ref(), bits).unwrap();
            let decoded = Key::decoded(openssl(), &spki).unwrap();
            assert_eq!(written(&made), spki, "{kind:?} {group:?}");
            assert_eq!(written(&decoded), spki);
            // A point that is on no curve, and an RSAPublicKey that is cut off.
            assert!(Key::made(openssl(), algorithm.as_ref(), &bits[..length - 1]).is_none());
            let mut off = bits.to_vec();
            off[length - 1] ^= 1;
            let other = Key::made(openssl(), algorithm.as_ref(), &off);
            assert_eq!(other.is_some(), kind == c"RSA");
            assert!(other.is_none_or(|other| written(&other) != spki));
        }
        assert!(Key::made(openssl(), alg_id::ED25519.as_ref(), &[7; 32]).is_none());
    }
}
