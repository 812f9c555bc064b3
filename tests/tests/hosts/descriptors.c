/* Hosts that do with descriptors what they like. */
#include "host.h"
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* What stands in the host's own files is no policy, whoever reads them. */
static int own_file(void) {
    char name[] = "own-XXXXXX";
    int descriptor = mkostemp(name, O_CLOEXEC);
    if (descriptor < 0) die("own file");
    for (int i = 0; i < 64; i++)
        if (write(descriptor, "host's own data ", 16) != 16) die("write");
    unlink(name);
    return descriptor;
}

static int is_own(int descriptor, int own) {
    struct stat a, b;
    return fstat(descriptor, &a) == 0 && fstat(own, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Daemons close everything, and expect their next files at low numbers. */
static void standard(int used_before) {
    if (used_before) report("before");
    int out = dup2(1, 200);
    close(0), close(1), close(2);
    char line[2048];
    visits_with(client, line, sizeof line);
    for (int number = 0; number < 3; number++) {
        struct stat stat;
        if (fstat(number, &stat) == 0) dprintf(out, "number %d is taken\n", number);
    }
    dprintf(out, "without: %s\n", line);
}

/* Everything from 3 up is closed, and each number up to `last` is a file of the host's own. */
static void reused(const char *how, int last) {
    report("before");
    if (syscall(SYS_close_range, 3, ~0U, 0) != 0) die("close_range");
    if (!strcmp(how, "closed")) {
        report("closed");
        return;
    }
    int own = strcmp(how, "policy") ? own_file() : open("decoy/policy-1.db", O_RDONLY | O_CLOEXEC);
    if (own < 0) die("decoy");
    for (int number = own + 1; number <= last; number++)
        if (fcntl(number, F_GETFD) < 0 && dup3(own, number, O_CLOEXEC) != number) die("dup3");
    for (int round = 0; round < 3; round++) report("reused");
    int kept = 0;
    for (int number = own; number <= last; number++) kept += is_own(number, own);
    printf("%d of the host's %d files are still its own\n", kept, last - own + 1);
}

static void used_up(int decided_before) {
    if (decided_before) report("before");
    struct rlimit limit = {100, 100};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("limit");
    while (dup(1) >= 0) {}
    report("used up");
    close(50), close(51), close(52);
    report("three are free");
}

/* A limit that leaves no high numbers at all, from the start. */
static void low(void) {
    report("low");
    for (int number = 0; number < 3; number++)
        if (fcntl(number, F_GETFD) < 0) printf("number %d was closed\n", number);
}

/* As if another thread came right after the call: each number from 64 up that anybody is given by it for
   a file is that of a file of the host's own before the caller looks at it. */
static int overtaking = -1, overtaken[4096], overtaken_count;

int fcntl(int descriptor, int command, ...) {
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    int number = syscall(SYS_fcntl, descriptor, command, argument);
    if (overtaking < 0 || command != F_DUPFD_CLOEXEC || number < 64) return number;
    struct stat stat;
    if (fstat(number, &stat) != 0 || !S_ISREG(stat.st_mode)) return number;
    if (overtaken_count == 4096) die("too many numbers");
    if (dup3(overtaking, number, O_CLOEXEC) != number) die("dup3");
    return overtaken[overtaken_count++] = number;
}

static void overtakes(const char *how) {
    int own = strcmp(how, "policy") ? own_file() : open("decoy/policy-1.db", O_RDONLY | O_CLOEXEC);
    if (own < 0) die("decoy");
    report("before");
    if (syscall(SYS_close_range, 64, ~0U, 0) != 0) die("close_range");
    overtaking = own;
    char why[512];
    int accepted = 0, stolen = 0;
    for (int round = 0; round < 3; round++) accepted += visit_with(client, DENIED, why, sizeof why);
    overtaking = -1;
    for (int i = 0; i < overtaken_count; i++) stolen += !is_own(overtaken[i], own);
    dprintf(1, "some were overtaken: %d, wrongly accepted: %d, stolen: %d\n", overtaken_count > 2, accepted, stolen);
    report("afterwards");
}

static volatile int stop;

/* Takes and gives numbers all the time, and looks whether anybody else closes them. */
static void *churn(void *result) {
    long *stolen = result;
    int own = own_file();
    while (!stop) {
        int number = fcntl(own, F_DUPFD_CLOEXEC, 64);
        if (number < 0) die("dup");
        sched_yield();
        if (!is_own(number, own)) ++*stolen;
        else close(number);
    }
    return NULL;
}

/* Another thread closes our descriptors in the middle of decisions, and reuses their numbers. */
static void *closing(void *result) {
    long *stolen = result;
    int own = own_file();
    while (!stop) {
        for (int number = 64; number < 90; number++) {
            if (is_own(number, own)) continue;
            if (dup3(own, number, O_CLOEXEC) != number) die("dup3");
        }
        usleep(200);
        for (int number = 64; number < 90; number++) {
            /* Free again only if somebody closed what was ours. */
            if (!is_own(number, own)) ++*stolen;
        }
        for (int number = 64; number < 90; number += 2) close(number);
        usleep(200);
    }
    return NULL;
}

static void *visits(void *result) {
    long *wrong = result;
    for (int round = 0; round < 150; round++) {
        char why[512];
        /* That a refusal comes of it may be; that what is denied is accepted may not. */
        if (visit_with(client, DENIED, why, sizeof why)) ++*wrong;
    }
    return NULL;
}

static void races(int closes) {
    pthread_t threads[3];
    long stolen = 0, wrong[2] = {0, 0};
    pthread_create(&threads[0], NULL, closes ? closing : churn, &stolen);
    pthread_create(&threads[1], NULL, visits, &wrong[0]);
    pthread_create(&threads[2], NULL, visits, &wrong[1]);
    pthread_join(threads[1], NULL);
    pthread_join(threads[2], NULL);
    stop = 1;
    pthread_join(threads[0], NULL);
    dprintf(1, "wrongly accepted: %ld, stolen: %ld\n", wrong[0] + wrong[1], stolen);
    report("afterwards");
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    prepare();
    if (!strcmp(what, "standard")) standard(argc > 2);
    if (!strcmp(what, "reused")) reused(argv[2], 120);
    if (!strcmp(what, "used-up")) used_up(argc > 2);
    if (!strcmp(what, "low")) low();
    if (!strcmp(what, "overtaken")) overtakes(argv[2]);
    if (!strcmp(what, "churn")) races(0);
    if (!strcmp(what, "closing")) races(1);
    printf("end\n");
    return 0;
}
