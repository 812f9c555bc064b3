#!/bin/sh
# Makes the Debian packages of what was built, in target/deb, and has lintian look at them: deb.sh [VERSION].
set -eu
here=$(cd "$(dirname "$0")" && pwd)
TOP=$(dirname "$here")
export TOP
version=${1:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$TOP/Cargo.toml" | head -n 1)}
out=${OUT:-$TOP/target/deb}
source=$out/peerkey-$version

. "$here/packager.sh"
. "$here/folders.sh"
openssl_cnf=$OPENSSLDIR/openssl.cnf
openssl_cnf=$(readlink -f "$openssl_cnf" || echo "$openssl_cnf")

rm -rf "$out"
mkdir -p "$source"
cp -r "$here/debian" "$source/debian"
sed -i "s#@MAINTAINER@#$PACKAGER#" "$source/debian/control"
sed -i "s#@OPENSSLCNF@#$openssl_cnf#" "$source/debian/peerkey.postrm"
cat >"$source/debian/changelog" <<END
peerkey ($version) unstable; urgency=medium

  * Version $version: /usr/share/doc/peerkey/changelog.gz says what is new.

 -- $PACKAGER  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
(cd "$source" && dpkg-buildpackage --build=binary --no-sign) >"$out/log" 2>&1 || {
    tail -n 40 "$out/log" >&2
    exit 1
}
rm -rf "$source"
# Whose address it is, is not for these sources to say.
lintian --allow-root --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact \
    --fail-on error,warning --show-overrides "$out"/*.changes
ls "$out"/*.deb
