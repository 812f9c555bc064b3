#!/bin/sh
# Installs what was built (make build pages) into a root: stage.sh DESTDIR. Packages are made of this, by deb.sh and
# rpm.sh; folders.sh says where things go.
set -eu
root=${1:?usage: stage.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
built=${BUILT:-$top/target/release}
pages=${PAGES:-$top/target/pages}
. "$here/folders.sh"

# put MODE FOLDER FILE...
put() {
    mode=$1 folder=$root$2
    shift 2
    mkdir -p "$folder"
    for file; do
        install -m "$mode" "$file" "$folder/"
    done
}

# put_as MODE PATH FILE
put_as() {
    mkdir -p "$(dirname "$root$2")"
    install -m "$1" "$3" "$root$2"
}

put 755 /usr/bin "$built/peerkey"
put_as 644 "$MODULESDIR/peerkey.so" "$built/libpeerkey_openssl.so"
put_as 644 "$PKCS11DIR/peerkey-trust.so" "$built/libpeerkey_nss.so"
put 644 "$PKCS11CONFIGDIR" "$here/peerkey.module"

put 644 /etc/peerkey "$here/policy.toml"
for folder in policy.d anchors tests; do
    mkdir -p "$root/etc/peerkey/$folder"
done

put 644 /usr/share/man/man1 "$pages"/man/*.1
put 644 /usr/share/man/man5 "$here"/man/*.5
put 644 /usr/share/man/man7 "$here"/man/*.7
put_as 644 "$BASHDIR/peerkey" "$pages/completions/peerkey.bash"
put 644 "$ZSHDIR" "$pages/completions/_peerkey"
put 644 "$FISHDIR" "$pages/completions/peerkey.fish"

put 644 "$UNITDIR" "$here"/systemd/*
# Nobody has to switch it on: what is for a while only ends at a restart.
mkdir -p "$root$UNITDIR/sysinit.target.wants"
ln -sf ../peerkey-boot.service "$root$UNITDIR/sysinit.target.wants/"
put 644 "$TMPFILESDIR" "$here/tmpfiles.d/peerkey.conf"
put 755 "$LIBEXECDIR" "$here/hooks/anchors-changed"

put 644 "$DOCDIR" "$top/README.md" "$top/SECURITY.md" "$top/CHANGELOG.md" "$pages/THIRD-PARTY"
for example in "$here"/examples/*/; do
    find "$example" -type f | while read -r file; do
        put_as 644 "$DOCDIR/examples/$(basename "$example")/${file#"$example"}" "$file"
    done
done

# What only some distributions have.
case "$FAMILY" in
debian)
    put_as 644 /etc/apparmor.d/abstractions/openssl.d/peerkey "$here/apparmor/peerkey"
    put_as 755 /etc/ca-certificates/update.d/peerkey "$here/hooks/ca-certificates"
    ;;
fedora)
    put 644 /usr/share/selinux/packages "$here/selinux/peerkey.cil"
    ;;
esac
