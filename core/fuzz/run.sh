#!/bin/sh
# Runs each fuzz target for its share of the seconds given. What is new is kept in found/, which git
# ignores; what crashes a target is in artifacts/, belongs into corpus/ once it is mended, and makes this
# fail. cargo-fuzz needs two options of the compiler's that are not stable yet: RUSTC_BOOTSTRAP allows them.
set -eu
seconds=${1:?how many seconds}
cd "$(dirname "$0")"

command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
export RUSTC_BOOTSTRAP=1

targets=$(cargo fuzz list)
share=$((seconds / $(echo "$targets" | wc -l)))
for target in $targets; do
  mkdir -p "found/$target"
  echo "$target, for $share seconds"
  # No sanitizer: nothing here is unsafe code, and SQLite is not built with one.
  cargo fuzz run --sanitizer none "$target" "found/$target" "corpus/$target" -- \
    -max_total_time="$share" -timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=0 \
    -verbosity=0 -dict=words.txt
done
rm -rf /dev/shm/peerkey-fuzz-*
