/* Objects that are made while one library context is the thread's default, and used while another is:
   the numbers of one registry of ex_data mean other things in the next. What the host keeps under its
   own numbers is no pointer, and comes back as it was put there. */
#include "host.h"
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#define MANY 24

static int chosen[2][MANY];

static void *odd(int which) { return (void *)(0x1001UL + 2 * which); }

/* The host's own indices in the registry of this moment. */
static void take(int class_index, int *numbers) {
    for (int i = 0; i < MANY; i++) numbers[i] = CRYPTO_get_ex_new_index(class_index, 0, NULL, NULL, NULL, NULL);
}

static void load_config(OSSL_LIB_CTX *library) {
    if (OSSL_LIB_CTX_load_config(library, getenv("OPENSSL_CONF")) != 1) die("config");
}

static X509 *leaf, *root;

static X509 *certificate(const char *file) {
    BIO *bio = BIO_new_file(file, "r");
    X509 *read = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!read) die(file);
    return read;
}

static X509_STORE *store;

static void open_store(void) {
    root = certificate("trust.pem");
    store = X509_STORE_new();
    X509_STORE_add_cert(store, root);
}

/* A verification with the host's own data. */
static X509_STORE_CTX *begin(const char *file, int which) {
    leaf = certificate(file);
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (!context || X509_STORE_CTX_init(context, store, leaf, NULL) != 1) die("store");
    for (int i = 0; i < MANY; i++) X509_STORE_CTX_set_ex_data(context, chosen[which][i], odd(i));
    return context;
}

static void finish(const char *name, X509_STORE_CTX *context, int which) {
    int result = X509_verify_cert(context), whole = 1;
    for (int i = 0; i < MANY; i++) whole &= X509_STORE_CTX_get_ex_data(context, chosen[which][i]) == odd(i);
    printf("%s: %s (%d)%s\n", name, result == 1 ? "accepted" : "refused", X509_STORE_CTX_get_error(context),
           whole ? "" : ", and the host's data is gone");
    fflush(stdout);
    X509_STORE_CTX_free(context);
    X509_free(leaf);
}

/* Both registries have the hook, and the second one has it twice. */
static void stores(void) {
    OSSL_LIB_CTX *other = OSSL_LIB_CTX_new(), *third = OSSL_LIB_CTX_new();
    take(CRYPTO_EX_INDEX_X509_STORE_CTX, chosen[0]);
    OSSL_LIB_CTX *first = OSSL_LIB_CTX_set0_default(other);
    load_config(other);
    load_config(third);
    take(CRYPTO_EX_INDEX_X509_STORE_CTX, chosen[1]);
    static const char *const files[] = {"fine.crt", "denied.crt", "pinned.crt"};
    static const char *const names[] = {"fine", "denied", "pinned"};
    for (int which = 0; which < SERVERS; which++) {
        /* Made here and used there, and the other way round. */
        X509_STORE_CTX *theirs = begin(files[which], 1);
        OSSL_LIB_CTX_set0_default(first);
        X509_STORE_CTX *ours = begin(files[which], 0);
        finish(names[which], theirs, 1);
        OSSL_LIB_CTX_set0_default(other);
        X509_STORE_CTX_free(begin(files[which], 1));
        finish(names[which], ours, 0);
    }
    OSSL_LIB_CTX_set0_default(first);
}

/* An SSL_CTX with the hook, in a thread whose own default never heard of us. */
static void strange(void) {
    int numbers[MANY];
    report("default");
    OSSL_LIB_CTX *other = OSSL_LIB_CTX_new(), *first = OSSL_LIB_CTX_set0_default(other);
    take(CRYPTO_EX_INDEX_X509_STORE_CTX, chosen[1]);
    take(CRYPTO_EX_INDEX_SSL, numbers);
    report("strange");
    SSL *ssl = SSL_new(client), *server = SSL_new(servers[FINE]);
    for (int i = 0; i < MANY; i++) SSL_set_ex_data(ssl, numbers[i], odd(i));
    SSL_set_alpn_protos(ssl, (const unsigned char *)"\x08http/1.1", 9);
    SSL_set_tlsext_host_name(ssl, PEER);
    BIO *ours, *theirs;
    BIO_new_bio_pair(&ours, 1 << 16, &theirs, 1 << 16);
    SSL_set_bio(ssl, ours, ours);
    SSL_set_bio(server, theirs, theirs);
    SSL_set_accept_state(server);
    for (int round = 0; round < 4; round++) {
        SSL_connect(ssl);
        SSL_do_handshake(server);
    }
    int whole = 1;
    for (int i = 0; i < MANY; i++) whole &= SSL_get_ex_data(ssl, numbers[i]) == odd(i);
    printf("with ALPN: %s%s\n", SSL_is_init_finished(ssl) ? "accepted" : "refused",
           whole ? "" : ", and the host's data is gone");
    fflush(stdout);
    /* Freed where these numbers are ours. */
    OSSL_LIB_CTX_set0_default(first);
    SSL_free(ssl);
    SSL_free(server);
    report("default again");
}

int main(int argc, char **argv) {
    prepare();
    open_store();
    if (argc > 1 && !strcmp(argv[1], "stores")) stores();
    if (argc > 1 && !strcmp(argv[1], "strange")) strange();
    printf("end\n");
    return 0;
}
