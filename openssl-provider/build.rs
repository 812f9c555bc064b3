//! Makes the tables of OpenSSL functions from the system's headers, and sets how the library links.

use std::error::Error;
use std::path::{Path, PathBuf};

#[path = "../core/guest/linking.rs"]
mod linking;

/// What is called in libcrypto. Everything here is in OpenSSL 3.0; newer functions are looked up by
/// hand in `bindings.rs`.
const LIBCRYPTO: &[&str] = &[
    "BN_bn2binpad",
    "BN_free",
    "CRYPTO_free",
    "CRYPTO_get_ex_data",
    "CRYPTO_get_ex_new_index",
    "CRYPTO_set_ex_data",
    "ERR_clear_last_mark",
    "ERR_get_next_error_library",
    "ERR_load_strings",
    "ERR_new",
    "ERR_pop_to_mark",
    "ERR_reason_error_string",
    "ERR_set_debug",
    "ERR_set_error",
    "ERR_set_mark",
    "EVP_DigestVerify",
    "EVP_DigestVerifyInit_ex",
    "EVP_MD_CTX_free",
    "EVP_MD_CTX_new",
    "EVP_PKEY_CTX_free",
    "EVP_PKEY_CTX_new_from_name",
    "EVP_PKEY_CTX_set_rsa_padding",
    "EVP_PKEY_CTX_set_rsa_pss_saltlen",
    "EVP_PKEY_free",
    "EVP_PKEY_fromdata",
    "EVP_PKEY_fromdata_init",
    "EVP_PKEY_get_base_id",
    "EVP_PKEY_get_bits",
    "EVP_PKEY_get_bn_param",
    "OSSL_LIB_CTX_set0_default",
    "OPENSSL_sk_free",
    "OPENSSL_sk_new_null",
    "OPENSSL_sk_num",
    "OPENSSL_sk_push",
    "OPENSSL_sk_value",
    "OpenSSL_version_num",
    "X509_NAME_cmp",
    "X509_NAME_get0_der",
    "X509_PUBKEY_free",
    "X509_PUBKEY_get0",
    "X509_PUBKEY_get0_param",
    "X509_STORE_CTX_free",
    "X509_STORE_CTX_get0_cert",
    "X509_STORE_CTX_get0_chain",
    "X509_STORE_CTX_get0_param",
    "X509_STORE_CTX_get0_parent_ctx",
    "X509_STORE_CTX_get0_store",
    "X509_STORE_CTX_get0_untrusted",
    "X509_STORE_CTX_get1_chain",
    "X509_STORE_CTX_get_error",
    "X509_STORE_CTX_get_lookup_certs",
    "X509_STORE_CTX_get_verify",
    "X509_STORE_CTX_get_ex_data",
    "X509_STORE_CTX_get_verify_cb",
    "X509_STORE_CTX_init",
    "X509_STORE_CTX_new",
    "X509_STORE_CTX_set0_trusted_stack",
    "X509_STORE_CTX_set0_verified_chain",
    "X509_STORE_CTX_set_current_cert",
    "X509_STORE_CTX_set_error",
    "X509_STORE_CTX_set_error_depth",
    "X509_STORE_CTX_set_ex_data",
    "X509_STORE_CTX_set_verify",
    "X509_STORE_CTX_set_verify_cb",
    "X509_STORE_get_verify",
    "X509_VERIFY_PARAM_clear_flags",
    "X509_VERIFY_PARAM_get0_email",
    "X509_VERIFY_PARAM_get0_host",
    "X509_VERIFY_PARAM_get1_ip_asc",
    "X509_VERIFY_PARAM_get_flags",
    "X509_VERIFY_PARAM_get_time",
    "X509_VERIFY_PARAM_move_peername",
    "X509_VERIFY_PARAM_set1",
    "X509_VERIFY_PARAM_set_auth_level",
    "X509_check_issued",
    "X509_free",
    "X509_get0_pubkey",
    "X509_get_X509_PUBKEY",
    "X509_get_issuer_name",
    "X509_get_subject_name",
    "X509_verify_cert",
    "X509_verify_cert_error_string",
    "d2i_PUBKEY",
    "d2i_X509",
    "d2i_X509_PUBKEY",
    "i2d_PUBKEY",
    "i2d_X509_PUBKEY",
    "i2d_X509",
];

/// What is called in libssl.
const LIBSSL: &[&str] = &[
    "SSL_CTX_get_ex_data",
    "SSL_CTX_get_info_callback",
    "SSL_CTX_get_security_callback",
    "SSL_CTX_set_cert_verify_callback",
    "SSL_CTX_set_ex_data",
    "SSL_CTX_set_msg_callback",
    "SSL_CTX_set_security_callback",
    "SSL_CTX_set_session_ticket_cb",
    "SSL_SESSION_free",
    "SSL_SESSION_get0_peer",
    "SSL_SESSION_get_id",
    "SSL_SESSION_get0_ticket_appdata",
    "SSL_SESSION_set1_ticket_appdata",
    "SSL_dane_tlsa_add",
    "SSL_get0_alpn_selected",
    "SSL_get0_param",
    "SSL_get1_session",
    "SSL_get_SSL_CTX",
    "SSL_get_ex_data",
    "SSL_get_ex_data_X509_STORE_CTX_idx",
    "SSL_get_fd",
    "SSL_get_info_callback",
    "SSL_get_servername",
    "SSL_get_session",
    "SSL_get_state",
    "SSL_get_verify_mode",
    "SSL_is_server",
    "SSL_set_ex_data",
    "SSL_set_info_callback",
    "SSL_set_msg_callback",
    "SSL_set_security_callback",
    "SSL_set_session",
    "SSL_set_shutdown",
    "SSL_set_verify",
    "SSL_set_verify_result",
    "SSL_version",
];

const CONSTANTS: &[&str] = &[
    "CRYPTO_EX_INDEX_SSL",
    "CRYPTO_EX_INDEX_SSL_CTX",
    "CRYPTO_EX_INDEX_X509_STORE_CTX",
    "ERR_LIB_SSL",
    "EVP_PKEY_PUBLIC_KEY",
    "EVP_PKEY_RSA",
    "EVP_PKEY_RSA_PSS",
    "OSSL_FUNC_CORE_GET_PARAMS",
    "OSSL_FUNC_PROVIDER_GETTABLE_PARAMS",
    "OSSL_FUNC_PROVIDER_GET_PARAMS",
    "OSSL_FUNC_PROVIDER_TEARDOWN",
    "OSSL_PARAM_INTEGER",
    "OSSL_PARAM_OCTET_STRING",
    "OSSL_PARAM_UNSIGNED_INTEGER",
    "OSSL_PARAM_UTF8_PTR",
    "OSSL_PARAM_UTF8_STRING",
    "RSA_PKCS1_PSS_PADDING",
    "RSA_PSS_SALTLEN_DIGEST",
    "SSL3_MT_CLIENT_HELLO",
    "SSL3_RT_HANDSHAKE",
    "SSL_CB_HANDSHAKE_DONE",
    "SSL_RECEIVED_SHUTDOWN",
    "SSL_R_CERTIFICATE_VERIFY_FAILED",
    "SSL_SECOP_VERSION",
    "SSL_SENT_SHUTDOWN",
    "SSL_TICKET_RETURN_.*",
    "SSL_TICKET_SUCCESS.*",
    "SSL_VERIFY_NONE",
    "SSL_VERIFY_PEER",
    "TLS1_3_VERSION",
    "TLSEXT_NAMETYPE_host_name",
    "X509_PURPOSE_SMIME_ENCRYPT",
    "X509_PURPOSE_SMIME_SIGN",
    "X509_V_ERR_.*",
    "X509_V_FLAG_USE_CHECK_TIME",
    "X509_V_OK",
];

const TYPES: &[&str] = &[
    "CRYPTO_EX_DATA",
    "CRYPTO_EX_dup",
    "CRYPTO_EX_free",
    "ERR_STRING_DATA",
    "OSSL_CORE_HANDLE",
    "OSSL_DISPATCH",
    "OSSL_HANDSHAKE_STATE",
    "OSSL_PARAM",
    "SSL",
    "SSL_CTX",
    "SSL_CTX_decrypt_session_ticket_fn",
    "SSL_CTX_generate_session_ticket_fn",
    "SSL_SESSION",
    "SSL_verify_cb",
    "X509_VERIFY_PARAM",
];

const HEADERS: &str = "#include <openssl/bn.h>\n#include <openssl/core.h>\n\
    #include <openssl/core_dispatch.h>\n#include <openssl/core_names.h>\n#include <openssl/crypto.h>\n\
    #include <openssl/err.h>\n#include <openssl/evp.h>\n#include <openssl/rsa.h>\n\
    #include <openssl/ssl.h>\n#include <openssl/sslerr.h>\n#include <openssl/x509.h>\n\
    #include <openssl/x509_vfy.h>\n#include <openssl/x509v3.h>\n";

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    linking::as_guest(&out)?;
    table(&out, "Libcrypto", LIBCRYPTO, true)?;
    table(&out, "Libssl", LIBSSL, false)
}

/// One table of functions. The second one shares the types of the first.
fn table(
    out: &Path,
    name: &str,
    functions: &[&str],
    with_types: bool,
) -> Result<(), Box<dyn Error>> {
    let mut builder = bindgen::Builder::default()
        .header_contents("openssl.h", HEADERS)
        .dynamic_library_name(name)
        .dynamic_link_require_all(true)
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .generate_comments(false)
        .layout_tests(false)
        .wrap_unsafe_ops(true)
        .prepend_enum_name(false);
    for function in functions {
        builder = builder.allowlist_function(function);
    }
    if with_types {
        builder = CONSTANTS.iter().fold(builder, |b, c| b.allowlist_var(c));
        builder = TYPES.iter().fold(builder, |b, t| b.allowlist_type(t));
    } else {
        builder = builder.blocklist_type(".*");
    }
    builder.generate()?.write_to_file(out.join(format!("{}.rs", name.to_lowercase())))?;
    Ok(())
}
