/* Programs whose own verification takes certificates with wrong signatures. */
#include "host.h"
#include <openssl/x509_vfy.h>

/* In the place of OpenSSL's check of signatures. */
static int unchecked(X509_STORE_CTX *context) {
    (void)context;
    return 1;
}

/* Takes whatever is wrong upon itself. */
static int forgiving(int ok, X509_STORE_CTX *context) {
    (void)ok;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    prepare();
    if (!strcmp(what, "unchecked")) X509_STORE_set_verify(SSL_CTX_get_cert_store(client), unchecked);
    if (!strcmp(what, "forgiving")) SSL_CTX_set_verify(client, SSL_VERIFY_PEER, forgiving);
    char why[512];
    printf("%s\n", visit_with(client, FINE, why, sizeof why) ? "accepted" : why);
    printf("end\n");
    return 0;
}
