#!/bin/sh
# Installs what was built (make build pages) into a root: stage.sh DESTDIR. Packages are made of this, by deb.sh and
# rpm.sh. The folders of libraries are those that the toolchain names; each can be set in the environment.
set -eu
root=${1:?usage: stage.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
built=${BUILT:-$top/target/release}
pages=${PAGES:-$top/target/pages}

fail() {
    echo "stage.sh: $*" >&2
    exit 1
}

# asked VARIABLE PACKAGE: what pkg-config knows.
asked() {
    pkg-config --variable="$1" "$2" | grep / || fail "pkg-config knows no $1 of $2"
}

modules=${MODULESDIR:-$(openssl version -m | sed -n 's/^MODULESDIR: "\(.*\)"$/\1/p')}
[ -n "$modules" ] || fail "openssl version -m names no folder"
pkcs11=${PKCS11DIR:-$(asked p11_module_path p11-kit-1)}
pkcs11_configs=${PKCS11CONFIGDIR:-$(asked p11_module_configs p11-kit-1)}
units=${UNITDIR:-$(asked systemdsystemunitdir systemd)}
tmpfiles=${TMPFILESDIR:-$(asked tmpfilesdir systemd)}
bash_completions=${BASHDIR:-$(asked completionsdir bash-completion)}
fish_completions=${FISHDIR:-/usr/share/fish/vendor_completions.d}
# Debian keeps those of packages apart; zsh itself has site-functions.
[ -e /etc/debian_version ] && usual=/usr/share/zsh/vendor-completions || usual=/usr/share/zsh/site-functions
zsh_completions=${ZSHDIR:-$usual}
libexec=${LIBEXECDIR:-/usr/libexec/peerkey}
docs=${DOCDIR:-/usr/share/doc/peerkey}

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
put_as 644 "$modules/peerkey.so" "$built/libpeerkey_openssl.so"
put_as 644 "$pkcs11/peerkey-trust.so" "$built/libpeerkey_nss.so"
put 644 "$pkcs11_configs" "$here/peerkey.module"

put 644 /etc/peerkey "$here/policy.toml"
for folder in policy.d anchors tests; do
    mkdir -p "$root/etc/peerkey/$folder"
done

put 644 /usr/share/man/man1 "$pages"/man/*.1
put 644 /usr/share/man/man5 "$here"/man/*.5
put 644 /usr/share/man/man7 "$here"/man/*.7
put_as 644 "$bash_completions/peerkey" "$pages/completions/peerkey.bash"
put 644 "$zsh_completions" "$pages/completions/_peerkey"
put 644 "$fish_completions" "$pages/completions/peerkey.fish"

put 644 "$units" "$here"/systemd/*
put 644 "$tmpfiles" "$here/tmpfiles.d/peerkey.conf"
put 755 "$libexec" "$here/hooks/anchors-changed"

put 644 "$docs" "$top/README.md" "$top/SECURITY.md" "$top/CHANGELOG.md" "$pages/THIRD-PARTY"
for example in "$here"/examples/*/; do
    find "$example" -type f | while read -r file; do
        put_as 644 "$docs/examples/$(basename "$example")/${file#"$example"}" "$file"
    done
done

# What only some distributions have.
case "${FAMILY:-$([ -e /etc/debian_version ] && echo debian || echo fedora)}" in
debian)
    put_as 644 /etc/apparmor.d/abstractions/openssl.d/peerkey "$here/apparmor/peerkey"
    sed "s#@LIBEXECDIR@#$libexec#" "$here/hooks/ca-certificates" >"$root/hook"
    put_as 755 /etc/ca-certificates/update.d/peerkey "$root/hook"
    rm "$root/hook"
    ;;
fedora)
    put 644 /usr/share/selinux/packages "$here/selinux/peerkey.cil"
    ;;
esac
