#!/bin/sh
# Installs what building, testing or packaging needs from Debian's packages: install-packages.sh build|test|package|machine.
# Says what it does, and does nothing where everything is there.
set -eu

case "${1:-}" in
build) wanted="gcc libc6-dev pkg-config libssl-dev libclang-dev" ;;
test)
    wanted="gcc libc6-dev pkg-config libssl-dev libclang-dev make perl binutils util-linux"
    wanted="$wanted ca-certificates curl openssl python3 python3-venv nginx postgresql redis-server redis-tools"
    # Programs that verify certificates outside of TLS, or by a callback of their own; and ssh-keygen.
    wanted="$wanted ruby libnet-ssleay-perl openssh-client"
    # Hosts that confine themselves, and what watches them.
    wanted="$wanted bubblewrap libjemalloc2 locales valgrind"
    # NSS 3.87 and its tools, Firefox 153 with an NSS of its own, p11-kit 0.24 and GnuTLS 3.7.
    wanted="$wanted libnss3-tools firefox-esr p11-kit p11-kit-modules gnutls-bin"
    # Another package may bring node.
    [ -x /usr/bin/node ] || wanted="$wanted nodejs"
    ;;
package)
    wanted="debhelper dpkg-dev fakeroot git lintian rpm rpmlint openssl"
    # What names the folders that things go to.
    wanted="$wanted pkg-config libp11-kit-dev systemd bash-completion"
    # Fresh roots to install on.
    wanted="$wanted debootstrap util-linux"
    ;;
machine) wanted="qemu-system-x86 debootstrap e2fsprogs tar" ;;
*)
    echo "usage: $0 build|test|package|machine" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian. Wanted, under whatever names: $wanted" >&2
    exit 0
fi

# What the tests say of Firefox holds from this version on.
is_old() {
    [ "$1" = firefox-esr ] && dpkg --compare-versions "$(dpkg-query -W -f '${Version}' "$1")" lt 153
}

missing=""
for package in $wanted; do
    case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" in
    installed) ! is_old "$package" || missing="$missing $package" ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "Not root, and no sudo. Install as root: apt-get install$missing" >&2
        exit 1
    }
    sudo="sudo"
fi
echo "Installing from Debian's packages:$missing"
# Old lists have old versions, and name files that may be gone.
$sudo apt-get update -q >/dev/null || echo "The lists of packages stay as they are: they could not be renewed."
# shellcheck disable=SC2086  # one word a package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
