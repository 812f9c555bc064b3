/* A program that uses TLS, with both ends in this process: no socket, no file after `prepare`.
   Three servers with one name: the program itself accepts the first two; the policy accepts the first
   and the last. Whoever prints GOOD has a hook that works and a policy that is read. */
#define _GNU_SOURCE
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEER "bank.example"
#define GOOD "fine accepted, denied refused, pinned accepted"

enum { FINE, DENIED, PINNED, SERVERS };
static SSL_CTX *servers[SERVERS], *client;

static void die(const char *what) {
    dprintf(2, "%s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    _exit(99);
}

static SSL_CTX *new_client(OSSL_LIB_CTX *library) {
    SSL_CTX *context = SSL_CTX_new_ex(library, NULL, TLS_client_method());
    if (!context || SSL_CTX_load_verify_locations(context, "trust.pem", NULL) != 1) die("client");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

static SSL_CTX *new_server(const char *name) {
    char certificate[64], key[64];
    snprintf(certificate, sizeof certificate, "%s.crt", name);
    snprintf(key, sizeof key, "%s.key", name);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        die(name);
    return context;
}

/* Everything that is read from the current folder. */
static void prepare(void) {
    servers[FINE] = new_server("fine");
    servers[DENIED] = new_server("denied");
    servers[PINNED] = new_server("pinned");
    client = new_client(NULL);
}

/* One handshake: 1 if the client accepts, 0 if it refuses; `why` is its first error. */
static int visit_with(SSL_CTX *context, int which, char *why, size_t room) {
    SSL *here = SSL_new(context), *there = SSL_new(servers[which]);
    BIO *ours, *theirs;
    if (!here || !there || BIO_new_bio_pair(&ours, 1 << 16, &theirs, 1 << 16) != 1) die("visit");
    SSL_set_bio(here, ours, ours);
    SSL_set_bio(there, theirs, theirs);
    SSL_set_tlsext_host_name(here, PEER);
    SSL_set1_host(here, PEER);
    ERR_clear_error();
    int done = 0, rounds = 0;
    SSL_set_connect_state(here);
    SSL_set_accept_state(there);
    while (done != 1 && rounds++ < 10) {
        done = SSL_do_handshake(here);
        int error = SSL_get_error(here, done);
        if (done != 1 && error != SSL_ERROR_WANT_READ) break;
        SSL_do_handshake(there);
    }
    why[0] = 0;
    if (done != 1) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        snprintf(why, room, "%s (%ld)", reason ? reason : "no reason", SSL_get_verify_result(here));
    }
    SSL_free(here);
    SSL_free(there);
    ERR_clear_error();
    return done == 1;
}

/* All three, as a line. What is refused without a sentence of peerkey's is told with its reason. */
static void visits_with(SSL_CTX *context, char *line, size_t room) {
    static const char *const names[] = {"fine", "denied", "pinned"};
    size_t used = 0;
    for (int which = 0; which < SERVERS; which++) {
        char why[512];
        int accepted = visit_with(context, which, why, sizeof why);
        int plain = accepted || (which == DENIED && strstr(why, "peerkey: ") && strstr(why, "is denied"));
        used += snprintf(line + used, room - used, "%s%s %s%s%s", which ? ", " : "", names[which],
                         accepted ? "accepted" : "refused", plain ? "" : ": ", plain ? "" : why);
        if (used >= room) break;
    }
}

static void report_with(SSL_CTX *context, const char *when) {
    char line[2048], text[2200];
    visits_with(context, line, sizeof line);
    int length = snprintf(text, sizeof text, "%s: %s\n", when, line);
    if (write(1, text, length) != length) _exit(98);
}

__attribute__((unused)) static void report(const char *when) { report_with(client, when); }

/* Whether all is GOOD; for many threads at once. */
__attribute__((unused)) static int all_good(void) {
    char line[2048];
    visits_with(client, line, sizeof line);
    if (strcmp(line, GOOD) == 0) return 1;
    dprintf(2, "%s\n", line);
    return 0;
}

/* Runs in a child, and waits for it. */
__attribute__((unused)) static void in_child(void (*body)(const char *), const char *argument) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        alarm(20);
        body(argument);
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) {
        dprintf(1, "%s: the child ended with %x\n", argument, status);
    }
}
