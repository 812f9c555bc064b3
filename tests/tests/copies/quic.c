/* QUIC (RFC 9000) with OpenSSL 3.5 or newer: a server, which `openssl s_server` is not, and a client that
   comes back, which `openssl s_client -quic -reconnect` does not.
       quic serve PORT CERTIFICATE KEY [CLIENTS' CA]
       quic visit PORT CA [CERTIFICATE KEY] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/quic.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void die(const char *what) {
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(99);
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *length,
                       const unsigned char *in, unsigned int in_length, void *argument) {
    (void)ssl, (void)argument;
    *out = in + 1;
    *length = in[0];
    return in_length > in[0] ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *context(char **files) {
    SSL_CTX *context = SSL_CTX_new(OSSL_QUIC_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, files[0]) != 1
        || SSL_CTX_use_PrivateKey_file(context, files[1], SSL_FILETYPE_PEM) != 1)
        die("context");
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"quic", 4);
    if (files[2]) {
        if (SSL_CTX_load_verify_locations(context, files[2], NULL) != 1) die("clients");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

static int bound(int port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    if (socket_ < 0 || bind(socket_, (struct sockaddr *)&here, sizeof here)) die("bind");
    return socket_;
}

static void serve(SSL *connection) {
    char line[256];
    size_t length, written;
    if (SSL_read_ex(connection, line, sizeof line, &length) == 1) {
        const char *kind = SSL_session_reused(connection) ? "hello again\n" : "hello\n";
        if (SSL_write_ex(connection, kind, strlen(kind), &written) == 1)
            SSL_stream_conclude(connection, 0);
        printf("%s", kind);
        while (SSL_shutdown(connection) == 0) {}
    } else {
        printf("nothing\n");
        ERR_print_errors_fp(stdout);
    }
    SSL_free(connection);
}

static void listen_at(int port, char **files) {
    SSL *listener = SSL_new_listener(context(files), 0);
    if (!listener || SSL_set_fd(listener, bound(port)) != 1 || SSL_listen(listener) != 1)
        die("listen");
    printf("ready\n");
    for (;;) {
        ERR_clear_error();
        SSL *connection = SSL_accept_connection(listener, 0);
        if (!connection) die("accept");
        serve(connection);
    }
}

static SSL_SESSION *session;

static int keep(SSL *ssl, SSL_SESSION *fresh) {
    (void)ssl;
    SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

static void visit(SSL_CTX *context, int port) {
    struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    BIO_ADDR *there = BIO_ADDR_new();
    SSL *ssl = SSL_new(context);
    char line[64];
    size_t length;
    if (!ssl || BIO_ADDR_rawmake(there, AF_INET, &loopback, sizeof loopback, htons(port)) != 1
        || SSL_set_fd(ssl, socket(AF_INET, SOCK_DGRAM, 0)) != 1
        || SSL_set1_initial_peer_addr(ssl, there) != 1
        || SSL_set_alpn_protos(ssl, (const unsigned char *)"\2h3", 3) != 0
        || SSL_set_tlsext_host_name(ssl, "bank.example") != 1 || X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), "bank.example", 0) != 1)
        die("visit");
    if (session && SSL_set_session(ssl, session) != 1) die("session");
    ERR_clear_error();
    if (SSL_connect(ssl) != 1 || SSL_write_ex(ssl, "hi\n", 3, &length) != 1
        || SSL_read_ex(ssl, line, sizeof line, &length) != 1) {
        printf("refused");
        for (unsigned long error; (error = ERR_get_error());)
            printf("; %s", ERR_reason_error_string(error));
        printf("\n");
    } else {
        printf("%.*s", (int)length, line);
        while (SSL_shutdown(ssl) == 0) {}
    }
    SSL_free(ssl);
    BIO_ADDR_free(there);
}

/* Once for each line on standard input. */
static void visits(int port, char **files) {
    SSL_CTX *context = SSL_CTX_new(OSSL_QUIC_client_method());
    if (!context || SSL_CTX_load_verify_locations(context, files[0], NULL) != 1) die("context");
    if (files[1] && (SSL_CTX_use_certificate_chain_file(context, files[1]) != 1
        || SSL_CTX_use_PrivateKey_file(context, files[2], SSL_FILETYPE_PEM) != 1))
        die("identity");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context, keep);
    char line[16];
    while (fgets(line, sizeof line, stdin)) visit(context, port);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(argv[1], "serve")) listen_at(atoi(argv[2]), argv + 3);
    else visits(atoi(argv[2]), argv + 3);
    return 0;
}
