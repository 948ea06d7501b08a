#include "service/syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* By name, as not every architecture has all of them, nor every libseccomp. */
static const char *const allowed[] = {
    /* what is open */
    "read", "readv", "pread64", "write", "writev", "close", "lseek", "fcntl", "dup",
    "dup2", "dup3", "fstat", "getdents64", "recvfrom", "recvmsg", "sendto", "sendmsg",
    "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "accept",
    "accept4",
    /* waiting */
    "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "futex",
    "futex_time64", "sched_yield", "nanosleep", "clock_nanosleep", "restart_syscall",
    /* memory; see also below */
    "brk", "munmap", "mremap", "madvise",
    /* files by name: to look at, and the socket file to be removed */
    "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "unlink", "unlinkat",
    /* what is known of the machine and of this process */
    "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom", "getpid",
    "gettid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "getrlimit",
    "sysinfo", "uname", "getcpu", "sched_getaffinity",
    /* signals, and threads that are just beginning or end */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "tgkill",
    "set_robust_list", "rseq", "membarrier", "exit", "exit_group"};

static const char *const deadly[] = {
    "execve",           "execveat",         "fork", "vfork", "ptrace",
    "process_vm_readv", "process_vm_writev"};

static bool add(scmp_filter_ctx filter, uint32_t action, const char *name,
                unsigned conditions, const struct scmp_arg_cmp *condition)
{
    int number = seccomp_syscall_resolve_name(name);
    return number == __NR_SCMP_ERROR || /* unknown to this library: not allowed then */
           seccomp_rule_add_array(filter, action, number, conditions, condition) == 0;
}

/* Those that depend on what is asked for. */
static bool add_conditional(scmp_filter_ctx filter)
{
    enum { WRITING = O_ACCMODE | O_CREAT | O_TRUNC };
    const struct {
        const char *name;
        struct scmp_arg_cmp condition;
    } rules[] = {
        {"open", SCMP_A1_64(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY)},
        {"openat", SCMP_A2_64(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY)},
        {"mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {"mprotect", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {"prlimit64", SCMP_A2_64(SCMP_CMP_EQ, 0)}, /* to ask, not to set */
        {"prctl", SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME)},
        {"ioctl", SCMP_A1_64(SCMP_CMP_EQ, FIONREAD)}, /* how much waits in a socket */
        {"ioctl", SCMP_A1_64(SCMP_CMP_EQ, SIOCOUTQ)},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!add(filter, SCMP_ACT_ALLOW, rules[i].name, 1, &rules[i].condition))
            return false;
    return true;
}

static bool add_rules(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (!add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL))
            return false;
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        if (!add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL))
            return false;
    return add_conditional(filter);
}

bool syscall_filter_install(enum syscall_filter which, struct error *e)
{
    if (which == SYSCALLS_ALL)
        return true;
    uint32_t otherwise =
        which == SYSCALLS_LOGGED ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int failure = ENOMEM;
    if (filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
        add_rules(filter))
        failure = -seccomp_load(filter);
    seccomp_release(filter);
    return failure == 0 ||
           error_set(e, ERROR_INTERNAL, "",
                     "the system calls cannot be filtered (seccomp): %s",
                     strerror(failure));
}
