/* Rights that are taken away before or after the start. */
#include "host.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* What a TLS client does between two packets, and nothing more: no new socket, no program, no child, no
   file that is written or made, no code that is mapped. */
static const int allowed[] = {
    SYS_read,      SYS_write,       SYS_pread64,       SYS_close,       SYS_fstat,     SYS_newfstatat,
    SYS_fcntl,     SYS_lseek,       SYS_munmap,        SYS_brk,         SYS_madvise,   SYS_mremap,
    SYS_futex,     SYS_getrandom,   SYS_getpid,        SYS_gettid,      SYS_getuid,    SYS_geteuid,
    SYS_getgid,    SYS_getegid,     SYS_clock_gettime, SYS_sched_yield, SYS_exit,      SYS_exit_group,
    SYS_getsockname, SYS_getpeername, SYS_rt_sigprocmask, SYS_rt_sigaction,
};
#define WITH_ARGUMENT 3
static const struct { int call, argument; unsigned forbidden; } limited[WITH_ARGUMENT] = {
    {SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC},
    {SYS_mmap, 2, PROT_EXEC},
    {SYS_mprotect, 2, PROT_EXEC},
};

static void filter(void) {
    struct sock_filter code[128], *end = code;
    const int count = sizeof allowed / sizeof *allowed;
    *end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        *end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        *end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    for (int i = 0; i < WITH_ARGUMENT; i++) {
        int offset = offsetof(struct seccomp_data, args[0]) + 8 * limited[i].argument;
        *end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, limited[i].call, 0, 4);
        *end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
        *end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, limited[i].forbidden, 1, 0);
        *end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        *end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    *end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {end - code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) die("seccomp");
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "set-user-id")) {
        if (getuid() == geteuid()) die("no set-user-ID");
        /* OpenSSL reads the system's file then, whatever the environment says. */
        if (OSSL_LIB_CTX_load_config(NULL, argv[2]) != 1) die("config");
    }
    prepare();
    if (!strcmp(what, "seccomp-late")) report("before");
    if (!strncmp(what, "seccomp", 7)) filter();
    report("confined");
    printf("end\n");
    return 0;
}
