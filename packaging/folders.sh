# shellcheck shell=sh
# Where things go: the folders that the toolchain names, unless the environment does. Read by stage.sh, deb.sh, rpm.sh.

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# asked VARIABLE PACKAGE: what pkg-config knows.
asked() {
    pkg-config --variable="$1" "$2" | grep / || fail "pkg-config knows no $1 of $2"
}

# said OPTION: what the program openssl says of itself.
said() {
    openssl version "$1" | sed -n 's/^[A-Z]*: "\(.*\)"$/\1/p' | grep / || fail "openssl version $1 names no folder"
}

: "${FAMILY:=$([ -e /etc/debian_version ] && echo debian || echo fedora)}"
: "${MODULESDIR:=$(said -m)}"
: "${OPENSSLDIR:=$(said -d)}"
: "${PKCS11DIR:=$(asked p11_module_path p11-kit-1)}"
: "${PKCS11CONFIGDIR:=$(asked p11_module_configs p11-kit-1)}"
: "${UNITDIR:=$(asked systemdsystemunitdir systemd)}"
: "${TMPFILESDIR:=$(asked tmpfilesdir systemd)}"
: "${BASHDIR:=$(asked completionsdir bash-completion)}"
: "${FISHDIR:=/usr/share/fish/vendor_completions.d}"
# Debian keeps those of packages apart from zsh's own.
: "${ZSHDIR:=/usr/share/zsh/$([ "$FAMILY" = debian ] && echo vendor-completions || echo site-functions)}"
: "${DOCDIR:=/usr/share/doc/peerkey}"
# Units and hooks name it.
# shellcheck disable=SC2034  # stage.sh reads it
LIBEXECDIR=/usr/libexec/peerkey

# A command that fails in an assignment by := ends nothing.
for folder in "$MODULESDIR" "$OPENSSLDIR" "$PKCS11DIR" "$PKCS11CONFIGDIR" "$UNITDIR" "$TMPFILESDIR" "$BASHDIR"; do
    case "$folder" in
    /*) ;;
    *) exit 1 ;;
    esac
done
