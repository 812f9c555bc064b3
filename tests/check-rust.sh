#!/bin/sh
# Says what to do where there is no Rust, or one that is too old.
set -eu
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml")
advice="peerkey needs Rust $wanted or newer, which Debian 12 does not have. Install it with rustup
(https://rustup.rs) and have its cargo first in PATH."

command -v cargo >/dev/null || {
    printf 'There is no cargo in PATH.\n%s\n' "$advice" >&2
    exit 1
}
found=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
    printf 'rustc is %s.\n%s\n' "$found" "$advice" >&2
    exit 1
fi
