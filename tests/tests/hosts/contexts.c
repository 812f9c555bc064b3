/* Library contexts, providers and cleaning up. */
#include "host.h"
#include <openssl/conf.h>

/* As many programs do at their end. */
static void cleanup(void) {
    report("before");
    OPENSSL_cleanup();
    /* No TLS is possible any more, with or without peerkey; the program goes on. */
    printf("after: %s\n", SSL_CTX_new(TLS_client_method()) ? "a context" : "none");
}

static OSSL_LIB_CTX *configured(void) {
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    if (!library || OSSL_LIB_CTX_load_config(library, getenv("OPENSSL_CONF")) != 1) die("config");
    return library;
}

static void two_contexts(void) {
    report("default");
    OSSL_LIB_CTX *second = configured(), *third = configured();
    SSL_CTX *context = new_client(second), *other = new_client(third);
    report_with(context, "second");
    report_with(other, "third");
    report("default again");
    SSL_CTX_free(context);
    OSSL_LIB_CTX_free(second);
    report_with(other, "third without the second");
    SSL_CTX_free(other);
    OSSL_LIB_CTX_free(third);
    report("default alone");
    report_with(new_client(NULL), "a new client");
}

/* Only a library context of the program's own loads the configuration. */
static void private_only(void) {
    for (int round = 0; round < 3; round++) {
        OSSL_LIB_CTX *library = configured();
        SSL_CTX *context = new_client(library);
        report_with(context, "private");
        SSL_CTX_free(context);
        OSSL_LIB_CTX_free(library);
    }
    /* The hook stays when what loaded it is gone. */
    report_with(new_client(NULL), "default");
}

static void unload(void) {
    report("before");
    for (int round = 0; round < 3; round++) {
        OSSL_PROVIDER *peerkey = OSSL_PROVIDER_load(NULL, "peerkey");
        if (!peerkey) die("load");
        while (OSSL_PROVIDER_available(NULL, "peerkey") == 1 && OSSL_PROVIDER_unload(peerkey) == 1)
            if (round == 2) break;
        report("unloaded");
        report_with(new_client(NULL), "a new client");
    }
}

/* A thread whose own default is another library context, made before the configuration was read
   there. */
static void own_default(void) {
    report("default");
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_LIB_CTX_set0_default(library);
    if (OSSL_LIB_CTX_load_config(library, getenv("OPENSSL_CONF")) != 1) die("config");
    report_with(new_client(library), "own default");
}

/* Contexts and connections that are never freed. */
static void exits(void) {
    report("before");
    SSL *half = SSL_new(client), *server = SSL_new(servers[FINE]);
    BIO *ours, *theirs;
    BIO_new_bio_pair(&ours, 0, &theirs, 0);
    SSL_set_bio(half, ours, ours);
    SSL_set_bio(server, theirs, theirs);
    SSL_set_tlsext_host_name(half, PEER);
    SSL_connect(half);
}

static void late(void) { report("at exit"); }

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "private")) {
        /* The default one stays without peerkey. */
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    }
    prepare();
    if (!strcmp(what, "at-exit")) atexit(late);
    if (!strcmp(what, "cleanup")) cleanup();
    if (!strcmp(what, "two")) two_contexts();
    if (!strcmp(what, "private")) private_only();
    if (!strcmp(what, "unload")) unload();
    if (!strcmp(what, "own-default")) own_default();
    if (!strcmp(what, "exit")) exits();
    printf("end\n");
    return 0;
}
