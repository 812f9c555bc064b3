#!/bin/sh
# Makes the certificates of the examples anew. They are made once and kept, their keys are not; the tests name the
# moment that they are about.
set -eu
cd "$(dirname "$0")"
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT

key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

# ca FILE NAME: a root, whose key is kept under the name until the end.
ca() {
    mkdir -p "$(dirname "$1")"
    key "$keys/$2.key"
    openssl req -x509 -new -key "$keys/$2.key" -subj "/O=Example/CN=$2" -days 36500 -out "$1" \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# leaf FILE CA USAGE NAMES: a certificate that this CA signed, or its own key if the CA is "-".
leaf() {
    file=$1 ca=$2
    mkdir -p "$(dirname "$file")"
    key "$keys/leaf.key"
    {
        echo "basicConstraints = critical, CA:FALSE"
        echo "keyUsage = critical, digitalSignature"
        echo "extendedKeyUsage = $3"
        echo "subjectAltName = $4"
    } >"$keys/extensions"
    openssl req -new -key "$keys/leaf.key" -subj "/O=Example" -out "$keys/request" 2>/dev/null
    set -- -signkey "$keys/leaf.key"
    [ "$ca" = - ] || set -- -CA "$keys/$ca.pem" -CAkey "$keys/$ca.key"
    openssl x509 -req -in "$keys/request" -days 36500 -extfile "$keys/extensions" -out "$file" \
        -set_serial "0x4$(openssl rand -hex 8)" "$@" 2>/dev/null
}

ca "$keys/corp.pem" corp
leaf company/tests/intranet.pem corp serverAuth DNS:intranet.corp.example
leaf company/anchors/stolen.pem corp serverAuth DNS:stolen.corp.example
leaf company/tests/bank-by-corp.pem corp serverAuth DNS:www.bank.example
mkdir -p company/anchors home-lab/anchors mail-server/anchors database/anchors
cp "$keys/corp.pem" company/anchors/corp-root.pem

ca "$keys/home.pem" home
leaf home-lab/tests/nas.pem home serverAuth DNS:nas.home.arpa
leaf home-lab/tests/bank-by-home.pem home serverAuth DNS:www.bank.example
leaf home-lab/pins/router.pem - serverAuth DNS:router.home.arpa
leaf home-lab/tests/impostor.pem - serverAuth DNS:router.home.arpa
leaf home-lab/tests/printer.pem - serverAuth DNS:printer.home.arpa
cp "$keys/home.pem" home-lab/anchors/home-root.pem

ca "$keys/interceptor.pem" interceptor
leaf public-web/tests/bank-by-interceptor.pem interceptor serverAuth DNS:www.bank.example
leaf public-web/tests/localhost.pem - serverAuth DNS:localhost

ca "$keys/people.pem" people
ca "$keys/partner.pem" partner
ca "$keys/other.pem" other
leaf mail-server/tests/alice.pem people clientAuth email:alice@corp.example
leaf mail-server/tests/mallory.pem people clientAuth email:mallory@elsewhere.example
leaf mail-server/tests/mx-partner.pem partner serverAuth DNS:mx.partner.example
leaf mail-server/tests/mx-by-other.pem other serverAuth DNS:mx.partner.example
cp "$keys/people.pem" mail-server/anchors/mail-clients.pem
cp "$keys/partner.pem" mail-server/anchors/partner-root.pem

ca "$keys/databases.pem" databases
leaf database/tests/app1.pem databases clientAuth DNS:app1.corp.example
leaf database/tests/laptop.pem databases clientAuth DNS:laptop.example
leaf database/pins/db2.pem - serverAuth DNS:db2.corp.example
leaf database/tests/db2-by-root.pem databases serverAuth DNS:db2.corp.example
cp "$keys/databases.pem" database/anchors/db-root.pem
