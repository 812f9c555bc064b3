#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| peerkey_nss::fuzz::templates(input));
