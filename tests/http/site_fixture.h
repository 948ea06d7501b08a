/* site_fixture.h - a whole site in this process on a free port, with a pool that does
 * what a test tells it to, and clients made of plain sockets. */
#ifndef TESTS_HTTP_SITE_FIXTURE_H
#define TESTS_HTTP_SITE_FIXTURE_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "http/drain.h"
#include "http/server.h"
#include "service/attention_service.h"
#include "service/clock.h"
#include "service/log.h"
#include "support/test.h"

/* In the place of the real pool: one worker that answers {"bytes": N} with the length
 * of the body, in one window or, each time the same, in several. */
struct attention_service {
    _Atomic bool hold;   /* keeps calls, unless their client leaves */
    _Atomic bool full;   /* refuses calls */
    _Atomic bool closed; /* stops what it keeps */
    _Atomic bool ended;
    _Atomic bool stuck;     /* gives nothing back, even when it is to end */
    _Atomic size_t taken;   /* calls accepted so far */
    _Atomic size_t windows; /* of each answer, where it is more than one */
    _Atomic size_t again;   /* windows after the first that were asked for */
    _Atomic size_t cancelled;
    _Atomic int error;     /* enum error_code: what calls end with, if any */
    _Atomic size_t pieces; /* an answer is cut into, where it is more than one */
    _Atomic bool small;    /* answers are given on the thread that asks */
    pthread_mutex_t lock;  /* guards what follows */
    struct attention_call *waiting[256];
    size_t count;
    pthread_t worker;
};

struct fixture {
    struct settings settings;
    struct site site;
    struct server *server;
    struct attention_service *pool;
    int wake[2]; /* a byte ends the accepting thread */
    pthread_t acceptor;
};

/* Waits up to 3 s for a condition that another thread brings about. */
#define await(condition)                                        \
    do {                                                        \
        int64_t until_ = clock_now_ns() + 3 * NS_PER_S;         \
        while (!(condition) && clock_now_ns() < until_)         \
            nanosleep(&(struct timespec){0, 1000000}, NULL);    \
        ck_assert_msg(condition, "in 3 s not: %s", #condition); \
    } while (0)

#define POST_HEAD                                \
    "POST /v1/attention HTTP/1.1\r\nHost: a\r\n" \
    "Content-Type: application/json\r\n"

/* The pool that tests command. */

/* Of tests/faults, where it is linked: what belongs to the test does not fail. */
__attribute__((weak)) void failing_spare(void);

static void write_answer(struct attention_call *call, size_t pieces)
{
    pieces = pieces > 1 ? pieces : 1;
    char *text = arena_alloc(&call->arena, 64, 1, &call->error);
    call->pieces =
        arena_alloc(&call->arena, pieces, sizeof *call->pieces, &call->error);
    ck_assert(text && call->pieces);
    call->answer_bytes =
        (size_t)snprintf(text, 64, "{\"bytes\": %zu}", call->body_length);
    call->piece_count = pieces;
    for (size_t i = 0; i < pieces; i++) {
        size_t from = call->answer_bytes * i / pieces;
        call->pieces[i].iov_base = text + from;
        call->pieces[i].iov_len = call->answer_bytes * (i + 1) / pieces - from;
    }
}

static void give_back(struct attention_service *pool, struct attention_call *call)
{
    if (atomic_load(&call->cancelled)) {
        error_set(&call->error, ERROR_CANCELLED, "", "the client has left");
        atomic_fetch_add(&pool->cancelled, 1);
    } else if (atomic_load(&pool->closed) && atomic_load(&pool->hold)) {
        error_set(&call->error, ERROR_SHUTTING_DOWN, "",
                  "the service is shutting down");
    } else if (atomic_load(&pool->error)) {
        error_set(&call->error, (enum error_code)atomic_load(&pool->error), "",
                  "what the test wants");
    } else {
        write_answer(call, atomic_load(&pool->pieces));
        call->more = ++call->answer_bound < atomic_load(&pool->windows);
    }
}

static struct attention_call *take(struct attention_service *pool)
{
    struct attention_call *call = NULL;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count && !call; i++) {
        call = pool->waiting[i];
        bool kept = atomic_load(&pool->stuck) ||
                    (atomic_load(&pool->hold) && !atomic_load(&pool->closed) &&
                     !atomic_load(&call->cancelled));
        if (kept)
            call = NULL;
        else
            pool->waiting[i] = pool->waiting[--pool->count];
    }
    pthread_mutex_unlock(&pool->lock);
    return call;
}

static void *work(void *context)
{
    struct attention_service *pool = context;
    if (failing_spare)
        failing_spare();
    while (!atomic_load(&pool->ended)) {
        struct attention_call *call = take(pool);
        if (!call) {
            nanosleep(&(struct timespec){0, 200000}, NULL);
            continue;
        }
        give_back(pool, call);
        call->done(call);
    }
    return NULL;
}

struct attention_service *attention_service_new(
    const struct attention_service_options *options, struct error *e)
{
    (void)options;
    struct attention_service *pool = calloc(1, sizeof *pool);
    if (pool)
        pthread_mutex_init(&pool->lock, NULL);
    if (pool && pthread_create(&pool->worker, NULL, work, pool) == 0)
        return pool;
    free(pool);
    error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the pool");
    return NULL;
}

bool attention_service_answer_small(struct attention_service *pool,
                                    struct attention_call *call)
{
    bool small = atomic_load(&pool->small);
    if (small)
        give_back(pool, call);
    return small;
}

bool attention_service_has_room(struct attention_service *pool, size_t body_bytes,
                                struct error *e)
{
    return body_bytes <= 8192 || !atomic_load(&pool->full) ||
           error_set(e, ERROR_OVERLOADED, "", "the queue is full");
}

bool attention_service_submit(struct attention_service *pool,
                              struct attention_call *call, struct error *e)
{
    if (atomic_load(&pool->closed))
        return error_set(e, ERROR_SHUTTING_DOWN, "", "the service is shutting down");
    if (atomic_load(&pool->full))
        return error_set(e, ERROR_OVERLOADED, "", "the queue is full");
    atomic_fetch_add(&pool->taken, 1);
    pthread_mutex_lock(&pool->lock);
    pool->waiting[pool->count++] = call;
    pthread_mutex_unlock(&pool->lock);
    return true;
}

void attention_service_go_on(struct attention_service *pool,
                             struct attention_call *call)
{
    pthread_mutex_lock(&pool->lock);
    pool->waiting[pool->count++] = call;
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_add(&pool->again, 1);
}

unsigned attention_service_retry_after(struct attention_service *pool)
{
    (void)pool;
    return 7;
}

void attention_service_close(struct attention_service *pool)
{
    atomic_store(&pool->closed, true);
}

bool attention_service_drain(struct attention_service *pool, int64_t until_ns)
{
    (void)until_ns;
    while (!attention_service_idle(pool) && !atomic_load(&pool->stuck))
        nanosleep(&(struct timespec){0, 200000}, NULL);
    return true;
}

bool attention_service_idle(struct attention_service *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool idle = pool->count == 0;
    pthread_mutex_unlock(&pool->lock);
    return idle;
}

size_t attention_service_stuck(struct attention_service *pool)
{
    return atomic_load(&pool->stuck);
}

void attention_service_delete(struct attention_service *pool)
{
    atomic_store(&pool->ended, true);
    pthread_join(pool->worker, NULL);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* The site. */

static void *accept_connections(void *context)
{
    struct fixture *f = context;
    while (!server_accept(f->server, f->wake[0], 100)) {
    }
    return NULL;
}

/* Starts with further flags ("--body-limit", "2KiB", ..., NULL) and leaves the
 * accepting to a thread. */
static inline void fixture_start(struct fixture *f, const char *const *flags)
{
    memset(f, 0, sizeof *f);
    static const char *const first[] = {"attentiond",  "--port", "0",
                                        "--log-level", "error",  NULL};
    char *argv[32], *none = NULL;
    int argc = 0;
    for (size_t i = 0; first[i]; i++)
        argv[argc++] = strdup(first[i]);
    for (; *flags; flags++)
        argv[argc++] = strdup(*flags);
    argv[argc] = NULL;
    enum settings_action action;
    struct error e = {0};
    ck_assert_msg(settings_load(&f->settings, argc, argv, &none, &action, &e), "%s",
                  e.message);
    while (argc > 0)
        free(argv[--argc]);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR);

    const struct machine machine = {.cpus = 1, .memory = (size_t)1 << 30};
    ck_assert_msg(site_open(&f->site, &f->settings, &machine, &e), "%s", e.message);
    f->server = server_new(&f->site, &e);
    ck_assert_msg(f->server != NULL, "%s", e.message);
    ck_assert_int_eq(pipe(f->wake), 0);
    ck_assert_int_eq(pthread_create(&f->acceptor, NULL, accept_connections, f), 0);
}

/* Ends the accepting thread; the drain is then the caller's. */
static inline void fixture_stop_accepting(struct fixture *f)
{
    ck_assert_int_eq(write(f->wake[1], "x", 1), 1);
    pthread_join(f->acceptor, NULL);
    char byte;
    ck_assert_int_eq(read(f->wake[0], &byte, 1), 1);
}

/* Stops all that fixture_start() started; drains first if `drained` is false. */
static inline void fixture_end(struct fixture *f, bool drained)
{
    if (!drained) {
        fixture_stop_accepting(f);
        ck_assert_int_eq(write(f->wake[1], "x", 1), 1); /* at once */
        ck_assert(drain(f->server, &f->site, f->wake[0]));
    }
    server_delete(f->server);
    ck_assert_uint_eq(atomic_load(&f->site.in_flight), 0);
    ck_assert_uint_eq(atomic_load(&f->site.connections), 0);
    ck_assert_uint_eq(atomic_load(&f->site.memory.spent), 0);
    site_close(&f->site);
    close(f->wake[0]);
    close(f->wake[1]);
}

/* Clients. */

/* -1 when nobody listens. */
static inline int client_open_address(const char *address)
{
    struct sockaddr_un file = {.sun_family = AF_UNIX};
    struct sockaddr_in tcp = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_file = strncmp(address, "unix:", 5) == 0;
    if (is_file)
        snprintf(file.sun_path, sizeof file.sun_path, "%s", address + 5);
    else
        tcp.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));

    int fd = socket(is_file ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    struct timeval patience = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int connected = is_file ? connect(fd, (struct sockaddr *)&file, sizeof file)
                            : connect(fd, (struct sockaddr *)&tcp, sizeof tcp);
    if (connected == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int client_open(const struct fixture *f)
{
    int fd = client_open_address(server_address(f->server));
    ck_assert_int_ge(fd, 0);
    return fd;
}

static inline void client_send_bytes(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server does not listen; what it said can still be read */
        bytes += n;
        length -= (size_t)n;
    }
}

static inline void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

/* Byte by byte, so that nothing of a next answer is taken. */
static size_t hear_head(int fd, char *text, size_t size)
{
    size_t length = 0;
    while (length < size - 1 && recv(fd, text + length, 1, 0) == 1) {
        length++;
        if (length >= 4 && memcmp(text + length - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    text[length] = '\0';
    return length;
}

static char heard[256 * 1024];

/* As client_hear(), for an answer that has no body whatever its head says. */
static inline const char *client_hear_head_only(int fd)
{
    hear_head(fd, heard, sizeof heard);
    return heard;
}

/* One answer, head and body, without what comes behind it; interim answers are
 * answers, too. "" when the connection ends or nothing comes for 3 s. Static memory. */
static inline const char *client_hear(int fd)
{
    size_t length = hear_head(fd, heard, sizeof heard);
    const char *field = strstr(heard, "Content-Length: ");
    size_t body = field ? (size_t)atoi(field + 16) : 0;
    size_t whole = length + body < sizeof heard - 1 ? length + body : sizeof heard - 1;
    while (length < whole) {
        ssize_t n = recv(fd, heard + length, whole - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    heard[length] = '\0';
    return heard;
}

/* True when the connection ends within 3 s without another byte. */
static inline bool client_is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

/* Sends a byte. True when the other end takes no more: it comes back as a reset, which
 * over loopback is there at once, and takes from a client what it has not read. */
static inline bool client_is_reset(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    client_send(fd, "x");
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

/* Opens, sends, hears, closes. */
static inline const char *ask(const struct fixture *f, const char *request)
{
    int fd = client_open(f);
    client_send(fd, request);
    const char *answer = client_hear(fd);
    close(fd);
    return answer;
}

#endif
