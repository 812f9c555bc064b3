#!/bin/sh
# Makes the RPM packages of what was built, in target/rpm, and has rpmlint look at them: rpm.sh [VERSION].
# On another distribution than the one that they are for, name its folders: folders.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
TOP=$(dirname "$here")
version=${1:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$TOP/Cargo.toml" | head -n 1)}
out=${OUT:-$TOP/target/rpm}
FAMILY=fedora
. "$here/packager.sh"
. "$here/folders.sh"
export FAMILY MODULESDIR PKCS11DIR PKCS11CONFIGDIR UNITDIR TMPFILESDIR BASHDIR FISHDIR ZSHDIR LIBEXECDIR DOCDIR

rm -rf "$out"
mkdir -p "$out"
rpmbuild -bb --quiet --define "_topdir $out/build" --define "_rpmdir $out" \
    --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
    --define "_docdir $(dirname "$DOCDIR")" \
    --define "top $TOP" --define "version_of_peerkey $version" \
    --define "packager_of_peerkey $PACKAGER" \
    --define "date_of_peerkey $(LC_ALL=C date -u '+%a %b %d %Y' -d "@$SOURCE_DATE_EPOCH")" \
    --define "modules $MODULESDIR" --define "pkcs11 $PKCS11DIR" --define "pkcs11_configs $PKCS11CONFIGDIR" \
    --define "units $UNITDIR" --define "tmpfiles $TMPFILESDIR" --define "docs $DOCDIR" \
    --define "bash_completions $BASHDIR" --define "zsh_completions $ZSHDIR" --define "fish_completions $FISHDIR" \
    "$here/rpm/peerkey.spec" >"$out/log" 2>&1 || {
    tail -n 40 "$out/log" >&2
    exit 1
}
rm -rf "$out/build"
rpmlint --config "$here/rpm/rpmlint.toml" "$out"/*.rpm
ls "$out"/*.rpm
