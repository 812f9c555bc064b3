/* Forks, threads, chroot and dropped rights. */
#include "host.h"
#include <sched.h>
#include <signal.h>

static void child_report(const char *when) { report(when); }

static void forks_before(void) {
    in_child(child_report, "child before");
    report("parent");
}

static void grandchildren(const char *when) {
    report(when);
    in_child(child_report, "grandchild");
    report("child again");
}

static void forks_after(void) {
    report("parent");
    in_child(grandchildren, "child");
    report("parent again");
}

static volatile int stop;

static void *busy(void *unused) {
    (void)unused;
    int bad = 0;
    while (!stop) bad += !all_good();
    return (void *)(long)bad;
}

/* Children of a program whose other threads are in the middle of decisions. OpenSSL itself makes no
   promise there, so a child that hangs is only counted. */
static void *forking(void *unused) {
    (void)unused;
    long bad = 0;
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(5);
            _exit(all_good() ? 0 : 1);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0) bad++;
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGALRM) bad++;
    }
    return (void *)bad;
}

static void forks_from_threads(void) {
    pthread_t workers[3], forker;
    for (int i = 0; i < 3; i++) pthread_create(&workers[i], NULL, busy, NULL);
    pthread_create(&forker, NULL, forking, NULL);
    void *bad;
    pthread_join(forker, &bad);
    printf("children that went wrong: %ld\n", (long)bad);
    stop = 1;
    for (int i = 0; i < 3; i++) {
        pthread_join(workers[i], &bad);
        printf("threads that went wrong: %ld\n", (long)bad);
    }
}

static pthread_barrier_t barrier;

static void *at_once(void *unused) {
    (void)unused;
    pthread_barrier_wait(&barrier);
    long good = 0;
    for (int round = 0; round < 3; round++) good += all_good();
    return (void *)good;
}

/* The first decisions of the process, all at the same moment. */
static void threads(size_t count, size_t stack) {
    pthread_t *ids = calloc(count, sizeof *ids);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stack && pthread_attr_setstacksize(&attributes, stack) != 0) die("stack size");
    pthread_barrier_init(&barrier, NULL, count);
    long good = 0;
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&ids[i], &attributes, at_once, NULL) != 0) die("thread");
    for (size_t i = 0; i < count; i++) {
        void *result;
        pthread_join(ids[i], &result);
        good += (long)result;
    }
    printf("%zu threads: %ld of %zu good\n", count, good, 3 * count);
}

/* As servers do after they have read their configuration. */
static void confine(const char *folder, unsigned uid) {
    if (chroot(folder) != 0 || chdir("/") != 0) die("chroot");
    if (setgid(uid) != 0 || setuid(uid) != 0) die("setuid");
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    prepare();
    if (!strcmp(what, "fork-before")) forks_before();
    if (!strcmp(what, "fork-after")) forks_after();
    if (!strcmp(what, "fork-threads")) forks_from_threads();
    if (!strcmp(what, "threads")) threads(64, 0);
    if (!strcmp(what, "small-stacks")) threads(8, 64 * 1024);
    if (!strcmp(what, "chroot")) {
        if (argc > 3) report("before");
        confine(argv[2], 12345);
        report("confined");
        in_child(child_report, "child");
        /* The policy is replaced now; the test says when. */
        dprintf(1, "waiting\n");
        char byte;
        if (read(0, &byte, 1) != 1) return 1;
        report("replaced");
    }
    printf("end\n");
    return 0;
}
