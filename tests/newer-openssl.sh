#!/bin/sh
# Builds a newer OpenSSL than the system's from the sources that the crate openssl-src carries:
#     newer-openssl.sh SOURCES FOLDER
# leaves FOLDER/openssl, FOLDER/libssl.so.3 and FOLDER/libcrypto.so.3. Does nothing if they are there.
# The crate lacks what makes shared libraries, so they are linked from the static ones.
set -eu
sources=$1 folder=$2
mkdir -p "$folder"
cd "$folder"
exec 9>lock
flock 9
[ -e done ] && exit 0

"$sources/Configure" "linux-$(uname -m)" no-shared no-tests no-docs no-legacy no-engine no-module \
    no-dtls no-quic no-fips no-cmp no-rc2 no-idea no-bf no-cast no-seed no-aria no-camellia no-sm2 \
    no-sm3 no-sm4 no-mdc2 no-whirlpool no-gost no-srp no-srtp no-ts --openssldir=/nonexistent -O1 \
    >build.log 2>&1
make -j"$(nproc)" build_sw >>build.log 2>&1

whole() { printf '%s' "-Wl,--whole-archive,$1,--no-whole-archive"; }
cc -shared -o libcrypto.so.3 -Wl,-soname,libcrypto.so.3 "$(whole libcrypto.a)" -pthread
cc -shared -o libssl.so.3 -Wl,-soname,libssl.so.3 "$(whole libssl.a)" libcrypto.so.3
cc -o openssl apps/openssl-bin-*.o apps/libapps.a libssl.so.3 libcrypto.so.3 -pthread \
    -Wl,-rpath,"\$ORIGIN"
./openssl version
touch done
