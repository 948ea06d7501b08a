/* faults.c - lets chosen calls of a program fail, as their manual pages say they may.
 *
 * Preloaded into the service (LD_PRELOAD). It counts the fallible calls of the program
 * and its libraries from the beginning of main() on, and when the driver has armed it
 * by the file named in TORTURE_CONTROL, which both map or read, the k-th of them does
 * not happen and reports a failure instead. It also counts the blocks of memory in use,
 * so that one that is lost is seen at once.
 *
 * Not made to fail: what cannot (an eventfd that is neither full nor empty, taking a
 * descriptor out of an epoll set, shutdown() of a socket that is connected), what
 * nobody can answer (close(), munmap(), free()), and what is_deaf() names. What goes
 * through a socket is never cut short: to who waits at the edge (epoll(7)), that says
 * that there is no more, or no more room. A kind of call that is missing here is a
 * line. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { MODE_OFF, MODE_COUNT, MODE_ONCE, MODE_EVER, MODE_EVERY };

/* What kind of call: a set of these is armed. */
enum { MEMORY = 1, SYSTEM = 2, LIBRARY = 4 };

/* Mistakes made on purpose when a fault strikes, by which the driver is tested. */
enum defect {
    DEFECT_NONE,
    DEFECT_CRASH,
    DEFECT_LEAK,
    DEFECT_HANG,
    DEFECT_BYTES,
    DEFECT_DESCRIPTOR,
    DEFECT_THREAD,
};

enum { FRAMES = 16, NAME_BYTES = 24, SHORT = -1 };

/* control.js knows these places. */
struct control {
    _Atomic uint32_t mode, kinds;
    _Atomic uint64_t at;      /* which call */
    _Atomic uint32_t variant; /* which of the ways in which it can fail */
    _Atomic uint32_t defect;
    _Atomic uint64_t calls, faults; /* since it was armed */
    _Atomic int64_t blocks;         /* of memory, in use */
    struct {                        /* the last fault */
        char name[NAME_BYTES];
        int32_t error;
        uint32_t depth, ways, unused;
        struct {
            uint64_t offset;
            char module[NAME_BYTES];
        } frame[FRAMES];
    } last;
};

static struct control *control;
static _Atomic bool running; /* between the beginning and the end of main() */
static _Atomic bool corrupt; /* DEFECT_BYTES: the next answer */
static _Thread_local bool inside;
static _Atomic uint64_t eventfds[16]; /* a set of descriptors */

#define REAL(name)                 \
    static __typeof__(&name) real; \
    if (!real)                     \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Found by the constructor, which frees what was freed before. dlsym() frees what it
 * has said of a failure, so whoever looked for it when it is called would come back for
 * ever: the start of a sanitizer has such failures. */
static __typeof__(&free) real_free;
static void *freed_early[8192];
static size_t freed_early_count;

/* A crash says where, and is one still. */
static void show_crash(int number)
{
    void *address[2 * FRAMES];
    backtrace_symbols_fd(address, backtrace(address, 2 * FRAMES), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((constructor)) static void open_control(void)
{
    real_free = (__typeof__(&free))dlsym(RTLD_NEXT, "free");
    while (freed_early_count > 0)
        real_free(freed_early[--freed_early_count]);
    signal(SIGSEGV, show_crash);
    signal(SIGABRT, show_crash);
    const char *path = getenv("TORTURE_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *room =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    void *first[1]; /* the first backtrace() allocates */
    backtrace(first, 1);
    if (room != MAP_FAILED)
        control = room;
}

static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "?";
}

static void describe(const char *name, int error, size_t ways)
{
    void *address[FRAMES];
    int depth = backtrace(address, FRAMES);
    strncpy(control->last.name, name, NAME_BYTES - 1);
    control->last.error = error;
    control->last.ways = (uint32_t)ways;
    control->last.depth = depth > 0 ? (uint32_t)depth : 0;
    for (int i = 0; i < depth; i++) {
        Dl_info info;
        bool known = dladdr(address[i], &info) != 0;
        uintptr_t base = known ? (uintptr_t)info.dli_fbase : 0;
        control->last.frame[i].offset = (uintptr_t)address[i] - base;
        strncpy(control->last.frame[i].module, known ? last_part(info.dli_fname) : "?",
                NAME_BYTES - 1);
    }
}

/* Of libraries that do not survive it, whoever calls them: OpenBLAS 0.3.21 asks for
 * pages until it has them, and its small kernels for Skylake and later do not look at
 * what malloc() gave; GMP ends the process; libtasn1 4.19 follows the NULL. */
static bool is_of_one_that_is_deaf(const void *address)
{
    static const char *const modules[] = {"/libopenblas", "/libgmp", "/libtasn1"};
    Dl_info info;
    if (!dladdr(address, &info))
        return false;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strstr(info.dli_fname, modules[i]))
            return true;
    return false;
}

/* GMP allocates through a function of GnuTLS's. */
static bool is_deaf(unsigned kind, const char *name, enum mode mode, const void *caller)
{
    bool lasting_mmap = strcmp(name, "mmap") == 0 && mode != MODE_ONCE;
    if (kind != MEMORY && !lasting_mmap)
        return false;
    if (is_of_one_that_is_deaf(caller))
        return true;
    void *address[FRAMES];
    inside = true;
    int depth = backtrace(address, FRAMES), i = 0;
    inside = false;
    while (i < depth && address[i] != caller)
        i++;
    return i + 1 < depth && is_of_one_that_is_deaf(address[i + 1]);
}

static void *do_nothing(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static void err_on_purpose(void)
{
    static void *volatile lost;
    pthread_t thread;
    switch ((enum defect)atomic_load(&control->defect)) {
    case DEFECT_NONE: return;
    case DEFECT_CRASH: abort();
    case DEFECT_LEAK:
        lost = malloc(100);
        (void)lost;
        break;
    case DEFECT_HANG: do_nothing(NULL); break;
    case DEFECT_BYTES: atomic_store(&corrupt, true); break;
    case DEFECT_DESCRIPTOR:
        if (dup(STDERR_FILENO) < 0)
            abort();
        break;
    case DEFECT_THREAD:
        if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
            abort();
    }
}

/* Whether this call is to fail, and how: `errors` ends with 0. Sets errno, or is
 * SHORT. */
static int strikes(unsigned kind, const char *name, const int *errors,
                   const void *caller)
{
    if (!control || !atomic_load_explicit(&running, memory_order_relaxed) || inside)
        return 0;
    uint32_t mode = atomic_load(&control->mode);
    if (mode == MODE_OFF || !(atomic_load(&control->kinds) & kind))
        return 0;

    uint64_t call = atomic_fetch_add(&control->calls, 1) + 1;
    uint64_t at = atomic_load(&control->at);
    bool hit = (mode == MODE_ONCE && call == at) || (mode == MODE_EVER && call >= at) ||
               (mode == MODE_EVERY && call % at == 0);
    if (!hit || is_deaf(kind, name, (enum mode)mode, caller))
        return 0;

    size_t ways = 0;
    while (errors[ways])
        ways++;
    int error = errors[atomic_load(&control->variant) % ways];
    inside = true;
    if (mode == MODE_ONCE)
        describe(name, error, ways);
    atomic_fetch_add(&control->faults, 1);
    err_on_purpose();
    inside = false;
    errno = error == SHORT ? 0 : error;
    return error;
}

#define ERRORS(...) ((const int[]){__VA_ARGS__, 0})
#define STRIKES(kind, name, ...) \
    strikes(kind, #name, ERRORS(__VA_ARGS__), __builtin_return_address(0))

/* One that fails with a value and errno, and may fail with these. */
#define FALLIBLE(kind, type, name, parameters, arguments, failure, ...) \
    type name parameters                                                \
    {                                                                   \
        REAL(name);                                                     \
        if (STRIKES(kind, name, __VA_ARGS__))                           \
            return failure;                                             \
        return real arguments;                                          \
    }

/* ---- memory: what is in use is counted, too ---- */

static void count_block(const void *block, int change)
{
    if (block && control && !inside)
        atomic_fetch_add_explicit(&control->blocks, change, memory_order_relaxed);
}

/* DEFECT_LEAK comes here from inside, and is to be seen. */
static void *counted(void *block)
{
    if (block && control)
        atomic_fetch_add_explicit(&control->blocks, 1, memory_order_relaxed);
    return block;
}

#define ALLOCATION(name, parameters, arguments) \
    void *name parameters                       \
    {                                           \
        REAL(name);                             \
        if (STRIKES(MEMORY, name, ENOMEM))      \
            return NULL;                        \
        return counted(real arguments);         \
    }

ALLOCATION(malloc, (size_t size), (size))
ALLOCATION(calloc, (size_t count, size_t size), (count, size))
ALLOCATION(aligned_alloc, (size_t alignment, size_t size), (alignment, size))
ALLOCATION(memalign, (size_t alignment, size_t size), (alignment, size))

void *realloc(void *block, size_t size)
{
    REAL(realloc);
    if (STRIKES(MEMORY, realloc, ENOMEM))
        return NULL;
    void *moved = real(block, size);
    if (!block)
        counted(moved);
    else if (!moved && size == 0)
        count_block(block, -1);
    return moved;
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    REAL(posix_memalign);
    if (STRIKES(MEMORY, posix_memalign, ENOMEM))
        return ENOMEM;
    int error = real(block, alignment, size);
    if (!error)
        counted(*block);
    return error;
}

void free(void *block)
{
    if (!real_free) { /* one thread, and more than enough room */
        if (freed_early_count < sizeof freed_early / sizeof *freed_early)
            freed_early[freed_early_count++] = block;
        return;
    }
    if (block && control)
        atomic_fetch_sub_explicit(&control->blocks, 1, memory_order_relaxed);
    real_free(block);
}

/* A sanitizer's would take its memory past malloc(), and give it back through free().
 */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* What AddressSanitizer asks of a thread that begins, and ends the process without. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
    REAL(pthread_getattr_np);
    inside = true;
    int error = real(thread, attributes);
    inside = false;
    return error;
}

/* ---- the system ---- */

FALLIBLE(SYSTEM, void *, mmap,
         (void *at, size_t length, int protection, int flags, int fd, off_t offset),
         (at, length, protection, flags, fd, offset), MAP_FAILED, ENOMEM)
FALLIBLE(SYSTEM, int, socket, (int domain, int type, int protocol),
         (domain, type, protocol), -1, EMFILE, ENOBUFS)
FALLIBLE(SYSTEM, int, socketpair, (int domain, int type, int protocol, int pair[2]),
         (domain, type, protocol, pair), -1, EMFILE)
FALLIBLE(SYSTEM, int, bind, (int fd, const struct sockaddr *address, socklen_t size),
         (fd, address, size), -1, EADDRINUSE, EACCES)
FALLIBLE(SYSTEM, int, listen, (int fd, int backlog), (fd, backlog), -1, EADDRINUSE)
FALLIBLE(SYSTEM, int, connect, (int fd, const struct sockaddr *address, socklen_t size),
         (fd, address, size), -1, ECONNREFUSED, EAGAIN)
FALLIBLE(SYSTEM, int, accept4,
         (int fd, struct sockaddr *address, socklen_t *size, int flags),
         (fd, address, size, flags), -1, EMFILE, EINTR, ECONNABORTED, ENOMEM)
FALLIBLE(SYSTEM, int, getsockname, (int fd, struct sockaddr *address, socklen_t *size),
         (fd, address, size), -1, ENOBUFS)
FALLIBLE(SYSTEM, int, setsockopt,
         (int fd, int level, int name, const void *value, socklen_t size),
         (fd, level, name, value, size), -1, ENOMEM, ENOPROTOOPT)
FALLIBLE(SYSTEM, int, getsockopt,
         (int fd, int level, int name, void *value, socklen_t *size),
         (fd, level, name, value, size), -1, ENOPROTOOPT)
FALLIBLE(SYSTEM, int, epoll_create1, (int flags), (flags), -1, EMFILE, ENOMEM)
FALLIBLE(SYSTEM, int, epoll_wait,
         (int set, struct epoll_event *events, int most, int timeout),
         (set, events, most, timeout), -1, EINTR)
FALLIBLE(SYSTEM, int, poll, (struct pollfd * fds, nfds_t count, int timeout),
         (fds, count, timeout), -1, EINTR, ENOMEM)
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    return count <= room / sizeof *fds ? poll(fds, count, timeout) : -1;
}

FALLIBLE(SYSTEM, int, signalfd, (int fd, const sigset_t *set, int flags),
         (fd, set, flags), -1, EMFILE, ENOMEM)
FALLIBLE(SYSTEM, int, fstat, (int fd, struct stat *status), (fd, status), -1, EIO)
FALLIBLE(SYSTEM, int, lstat, (const char *path, struct stat *status), (path, status),
         -1, EACCES)
FALLIBLE(SYSTEM, int, stat, (const char *path, struct stat *status), (path, status), -1,
         EACCES)
FALLIBLE(SYSTEM, int, unlink, (const char *path), (path), -1, EACCES)
FALLIBLE(SYSTEM, int, dup2, (int from, int to), (from, to), -1, EBUSY)
FALLIBLE(SYSTEM, ssize_t, readlink, (const char *path, char *to, size_t size),
         (path, to, size), -1, EACCES)
FALLIBLE(SYSTEM, int, execv, (const char *path, char *const arguments[]),
         (path, arguments), -1, ENOENT, ENOMEM)
FALLIBLE(SYSTEM, int, setenv, (const char *name, const char *value, int replace),
         (name, value, replace), -1, ENOMEM)
FALLIBLE(SYSTEM, int, getrlimit, (__rlimit_resource_t what, struct rlimit *limit),
         (what, limit), -1, EINVAL)
FALLIBLE(SYSTEM, int, setrlimit, (__rlimit_resource_t what, const struct rlimit *limit),
         (what, limit), -1, EPERM)
FALLIBLE(SYSTEM, int, getrusage, (__rusage_who_t who, struct rusage *usage),
         (who, usage), -1, EINVAL)
FALLIBLE(SYSTEM, int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set),
         (pid, size, set), -1, EINVAL)
FALLIBLE(SYSTEM, ssize_t, getrandom, (void *to, size_t size, unsigned flags),
         (to, size, flags), -1, EAGAIN, ENOSYS)
FALLIBLE(SYSTEM, FILE *, fopen, (const char *path, const char *mode), (path, mode),
         NULL, ENOENT, EMFILE, ENOMEM)
FALLIBLE(SYSTEM, int, fflush, (FILE * file), (file), EOF, ENOSPC)
FALLIBLE(SYSTEM, DIR *, opendir, (const char *path), (path), NULL, EMFILE, ENOENT)
FALLIBLE(SYSTEM, char *, fgets, (char *to, int size, FILE *file), (to, size, file),
         NULL, EIO)
FALLIBLE(SYSTEM, size_t, fread, (void *to, size_t size, size_t count, FILE *file),
         (to, size, count, file), 0, EIO)
FALLIBLE(SYSTEM, struct dirent *, readdir, (DIR * folder), (folder), NULL, EBADF)

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *argument)
{
    REAL(pthread_create);
    return STRIKES(SYSTEM, pthread_create, EAGAIN)
               ? EAGAIN
               : real(thread, attributes, start, argument);
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    REAL(getaddrinfo);
    return STRIKES(SYSTEM, getaddrinfo, ENOMEM) ? EAI_MEMORY
                                                : real(host, service, hints, found);
}

int eventfd(unsigned value, int flags)
{
    REAL(eventfd);
    if (STRIKES(SYSTEM, eventfd, EMFILE))
        return -1;
    int fd = real(value, flags);
    if (fd >= 0 && fd < 1024)
        atomic_fetch_or(&eventfds[fd / 64], UINT64_C(1) << fd % 64);
    return fd;
}

int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    REAL(epoll_ctl);
    if (operation != EPOLL_CTL_DEL && STRIKES(SYSTEM, epoll_ctl, ENOMEM, ENOSPC))
        return -1;
    return real(set, operation, fd, event);
}

static bool is_eventfd(int fd)
{
    return fd >= 0 && fd < 1024 &&
           (atomic_load(&eventfds[fd / 64]) >> fd % 64 & 1) != 0;
}

/* Of fcntl() only the command that makes a descriptor. */
int fcntl(int fd, int command, ...)
{
    REAL(fcntl);
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (command == F_DUPFD_CLOEXEC && STRIKES(SYSTEM, fcntl, EMFILE))
        return -1;
    return real(fd, command, argument);
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list rest;
    va_start(rest, flags);
    unsigned mode = va_arg(rest, unsigned);
    va_end(rest);
    return STRIKES(SYSTEM, open, ENOENT, EMFILE, EACCES) ? -1 : real(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    REAL(openat);
    va_list rest;
    va_start(rest, flags);
    unsigned mode = va_arg(rest, unsigned);
    va_end(rest);
    return STRIKES(SYSTEM, openat, ENOENT, EMFILE, EACCES)
               ? -1
               : real(folder, path, flags, mode);
}

/* ---- bytes: interrupted, cut short, or failed ---- */

static bool is_stream(int fd)
{
    struct stat status;
    struct stat *s = &status;
    REAL(fstat);
    return real(fd, s) == 0 && (S_ISREG(s->st_mode) || S_ISSOCK(s->st_mode));
}

ssize_t read(int fd, void *to, size_t size)
{
    REAL(read);
    if (is_eventfd(fd))
        return real(fd, to, size);
    int error = STRIKES(SYSTEM, read, EIO, EINTR, SHORT);
    if (error == SHORT)
        return real(fd, to, is_stream(fd) && size > 1 ? 1 : size);
    return error ? -1 : real(fd, to, size);
}

ssize_t __read_chk(int fd, void *to, size_t size, size_t room);
ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
    return size <= room ? read(fd, to, size) : -1;
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    REAL(recv);
    return STRIKES(SYSTEM, recv, ECONNRESET, EINTR, ENOMEM) ? -1
                                                            : real(fd, to, size, flags);
}

FALLIBLE(SYSTEM, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
         (fd, message, flags), -1, ECONNRESET, EINTR, ENOMEM)
FALLIBLE(SYSTEM, ssize_t, recvfrom,
         (int fd, void *restrict to, size_t size, int flags,
          struct sockaddr *restrict from, socklen_t *restrict room),
         (fd, to, size, flags, from, room), -1, ECONNRESET, EINTR, ENOMEM)

ssize_t __recv_chk(int fd, void *to, size_t size, size_t room, int flags);
ssize_t __recv_chk(int fd, void *to, size_t size, size_t room, int flags)
{
    return size <= room ? recv(fd, to, size, flags) : -1;
}

ssize_t write(int fd, const void *from, size_t size)
{
    REAL(write);
    if (is_eventfd(fd))
        return real(fd, from, size);
    int error = STRIKES(SYSTEM, write, EIO, EINTR, SHORT);
    if (error == SHORT)
        return real(fd, from, size ? 1 : 0);
    return error ? -1 : real(fd, from, size);
}

/* What does not wait is not interrupted. */
ssize_t send(int fd, const void *from, size_t size, int flags)
{
    REAL(send);
    int interrupted = flags & MSG_DONTWAIT ? ENOBUFS : EINTR;
    return STRIKES(SYSTEM, send, ECONNRESET, interrupted, ENOBUFS)
               ? -1
               : real(fd, from, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    if (STRIKES(SYSTEM, sendmsg, ECONNRESET, EINTR, ENOBUFS))
        return -1;
    struct msghdr sent = *message;
    if (atomic_exchange(&corrupt, false) && sent.msg_iovlen > 1) {
        static char wrong[] = "#";
        sent.msg_iov[sent.msg_iovlen - 1] = (struct iovec){wrong, 1};
    }
    return real(fd, &sent, flags);
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file)
{
    REAL(fwrite);
    return STRIKES(SYSTEM, fwrite, ENOSPC) ? 0 : real(from, size, count, file);
}

int puts(const char *text)
{
    REAL(puts);
    return STRIKES(SYSTEM, puts, ENOSPC) ? EOF : real(text);
}

/* ---- the HTTP library ---- */

FALLIBLE(LIBRARY, struct MHD_Response *, MHD_create_response_from_buffer,
         (size_t size, void *bytes, enum MHD_ResponseMemoryMode mode),
         (size, bytes, mode), NULL, ENOMEM)
FALLIBLE(LIBRARY, struct MHD_Response *, MHD_create_response_from_iovec,
         (const struct MHD_IoVec *pieces, unsigned count,
          MHD_ContentReaderFreeCallback release, void *context),
         (pieces, count, release, context), NULL, ENOMEM)
FALLIBLE(LIBRARY, struct MHD_Response *, MHD_create_response_from_callback,
         (uint64_t size, size_t block, MHD_ContentReaderCallback reader, void *context,
          MHD_ContentReaderFreeCallback release),
         (size, block, reader, context, release), NULL, ENOMEM)
FALLIBLE(LIBRARY, enum MHD_Result, MHD_add_response_header,
         (struct MHD_Response * response, const char *name, const char *value),
         (response, name, value), MHD_NO, ENOMEM)
FALLIBLE(LIBRARY, enum MHD_Result, MHD_queue_response,
         (struct MHD_Connection * connection, unsigned status,
          struct MHD_Response *response),
         (connection, status, response), MHD_NO, ENOMEM)

enum MHD_Result MHD_add_connection(struct MHD_Daemon *daemon, int fd,
                                   const struct sockaddr *address, socklen_t size)
{
    REAL(MHD_add_connection);
    if (!STRIKES(LIBRARY, MHD_add_connection, ENOMEM, ENFILE))
        return real(daemon, fd, address, size);
    close(fd); /* as the library does */
    return MHD_NO;
}

/* ---- from the first line of main() on: what was done before is the loader's ---- */

static int (*program)(int, char **, char **);

static int run(int count, char **arguments, char **environment)
{
    atomic_store(&running, true);
    int result = program(count, arguments, environment);
    atomic_store(&running, false);
    return result;
}

int __libc_start_main(int (*start)(int, char **, char **), int count, char **arguments,
                      void (*begin)(void), void (*end)(void), void (*late)(void),
                      void *stack);
int __libc_start_main(int (*start)(int, char **, char **), int count, char **arguments,
                      void (*begin)(void), void (*end)(void), void (*late)(void),
                      void *stack)
{
    REAL(__libc_start_main);
    program = start;
    return real(run, count, arguments, begin, end, late, stack);
}
