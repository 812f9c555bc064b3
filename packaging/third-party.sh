#!/bin/sh
# Prints which libraries of others are linked into what is installed, with their licences and the texts of these.
set -eu
cd "$(dirname "$0")/.."
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for package in peerkey peerkey-openssl peerkey-nss; do
    "${CARGO:-cargo}" tree --locked --edges normal --prefix none --format '{p}|{l}' --package "$package"
done | grep -v '(/' | sed 's/ (proc-macro)//; s/ (\*)$//' | sort -u >"$work/list"

echo "Linked into peerkey's programs and libraries, beside SQLite, which is in the public domain."
echo
tr '|' '\t' <"$work/list" | expand -t 40
while IFS='|' read -r crate _; do
    folder=$(find "$sources" -mindepth 2 -maxdepth 2 -type d -name "$(echo "$crate" | sed 's/ v/-/')" | head -n 1)
    [ -n "$folder" ] || { echo "no source of $crate in $sources" >&2; exit 1; }
    find "$folder" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort |
        while read -r file; do
            hash=$(sha256sum <"$file" | cut -d' ' -f1)
            echo "$crate" >>"$work/$hash.crates"
            [ -e "$work/$hash.text" ] || cp "$file" "$work/$hash.text"
        done
done <"$work/list"
for text in "$work"/*.text; do
    printf '\n%s\n' ----------------------------------------------------------------------
    paste -sd, <"${text%.text}.crates" | sed 's/,/, /g'
    echo
    cat "$text"
done
