#!/bin/sh
# Builds a newer OpenSSL than the system's from the sources that the crate openssl-src carries:
#     newer-openssl.sh SOURCES FOLDER
# leaves FOLDER/openssl, FOLDER/libssl.so.N, FOLDER/libcrypto.so.N, and FOLDER/openssl-hidden. Does nothing
# if this same script left them there. The crate lacks what makes shared libraries: they are linked from the
# static ones.
set -eu
sources=$1 folder=$2
recipe=$(cksum <"$0")
number=$(sed -n 's/^SHLIB_VERSION=//p' "$sources/VERSION.dat")
mkdir -p "$folder"
cd "$folder"
exec 9>lock
flock 9
[ -e done ] && [ "$(cat done)" = "$recipe" ] && exit 0

"$sources/Configure" "linux-$(uname -m)" no-shared no-tests no-docs no-legacy no-engine no-module \
    no-fips no-cmp no-rc2 no-idea no-bf no-cast no-seed no-aria no-camellia no-sm2 no-sm3 no-sm4 \
    no-mdc2 no-whirlpool no-gost no-srp no-srtp no-ts --openssldir=/nonexistent -O1 \
    >build.log 2>&1
make -j"$(nproc)" build_sw >>build.log 2>&1

# A shared library of a static one, and what else it needs.
shared() {
    cc -shared -o "$1.so.$number" -Wl,-soname,"$1.so.$number" \
        -Wl,--whole-archive,"$1.a",--no-whole-archive ${2:+"$2"} -pthread
}
crypto=libcrypto.so.$number ssl=libssl.so.$number
shared libcrypto
shared libssl "$crypto"
cc -o openssl apps/openssl-bin-*.o apps/libapps.a "$ssl" "$crypto" -pthread -Wl,-rpath,"\$ORIGIN"
# A program that has OpenSSL within itself, and shows nobody where.
cc -o openssl-hidden apps/openssl-bin-*.o apps/libapps.a libssl.a libcrypto.a -pthread -ldl
./openssl version
echo "$recipe" >done
