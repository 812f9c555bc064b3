#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| peerkey_core::fuzz::sources(input));
