#!/bin/sh
# Runs the fuzz target for the seconds given, with AddressSanitizer, because templates are raw memory. What is
# new is kept in found/, which git ignores; what crashes it is in artifacts/, belongs into corpus/ once it is
# mended, and makes this fail. cargo-fuzz needs options of the compiler's that are not stable yet:
# RUSTC_BOOTSTRAP allows them.
set -eu
seconds=${1:?how many seconds}
cd "$(dirname "$0")"

command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
export RUSTC_BOOTSTRAP=1

mkdir -p found
echo "templates, for $seconds seconds"
cargo fuzz run --sanitizer address templates found corpus -- \
  -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=0 -verbosity=0
rm -rf /dev/shm/peerkey-nss-fuzz-*
