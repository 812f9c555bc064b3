#!/bin/sh
# Makes a virtual environment of Debian's Python with packages that bring an OpenSSL of their own:
#     wheels.sh FOLDER
# psycopg2-binary has private shared libraries; cryptography has a hidden copy inside of itself.
set -eu
folder=$1
recipe=$(cksum <"$0")
mkdir -p "$folder"
cd "$folder"
exec 9>lock
flock 9
[ -e done ] && [ "$(cat done)" = "$recipe" ] && exit 0

/usr/bin/python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
    psycopg2-binary==2.9.13 cryptography==50.0.2
echo "$recipe" >done
