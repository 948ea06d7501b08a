/* An open-loop client: requests are due at times that were fixed before, whether or not
 * earlier ones were answered, and what an answer took counts from then on. A closed
 * loop would slow down with the service and never see it overloaded.
 *
 *   bench_open PORT SECONDS CONNECTIONS KIND...
 *   KIND is NAME:RATE:METHOD:PATH[:BODY_FILE]
 *
 * RATE is requests a second, spread at random (Poisson). RATE 0: a closed loop, over
 * all connections together, which measures how much can be done. One line of JSON a
 * kind: answers of 200 and of other kinds, each with percentiles in milliseconds.
 * "late" were not answered within PATIENCE_S; "failed" were cut off. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_KINDS = 16,
    MOST_CONNECTIONS = 4096,
    HEAD_BYTES = 8192,
    PATIENCE_S = 10,
    MOST_SAMPLES = 1 << 20
};

struct samples {
    float *ms;
    size_t count;
};

struct kind {
    const char *name;
    double rate, due_ms;
    char *request;
    size_t length;
    size_t asked, late, failed;
    struct samples good, refused, wrong; /* 200; 503, 429; others */
};

enum state { CLOSED, IDLE, SENDING, HEARING_HEAD, HEARING_BODY };

struct connection {
    int fd;
    enum state state;
    struct kind *kind;
    double due_ms;
    size_t sent, held;
    size_t left; /* of the body, or of the chunk with its end */
    bool chunked, last, last_chunk, reused;
    unsigned status;
    char head[HEAD_BYTES + 1];
};

static struct kind kinds[MOST_KINDS];
static size_t kind_count, connection_count;
static struct connection *connections;
static struct connection *idle[MOST_CONNECTIONS];
static size_t idle_count, under_way;
static struct { /* due, and no connection free: a ring */
    struct kind *kind;
    double due_ms;
} * waiting;
enum { MOST_WAITING = 1 << 18 };
static size_t waiting_first, waiting_count;
static int port, poller;

static void give_up(const char *what)
{
    fprintf(stderr, "bench_open: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void *room(size_t bytes)
{
    void *p = calloc(1, bytes);
    if (!p)
        give_up("no memory");
    return p;
}

static void add_sample(struct samples *s, double ms)
{
    if (s->count < MOST_SAMPLES)
        s->ms[s->count++] = (float)ms;
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        give_up("cannot read a body");
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = room(*size + 1);
    if (fread(bytes, 1, *size, file) != *size)
        give_up("cannot read a body");
    fclose(file);
    return bytes;
}

static void add_kind(char *text)
{
    if (kind_count == MOST_KINDS)
        give_up("too many kinds");
    struct kind *k = &kinds[kind_count++];
    char *save, *name = strtok_r(text, ":", &save), *rate = strtok_r(NULL, ":", &save),
                *method = strtok_r(NULL, ":", &save),
                *path = strtok_r(NULL, ":", &save), *file = strtok_r(NULL, ":", &save);
    if (!path)
        give_up("NAME:RATE:METHOD:PATH[:BODY_FILE]");
    size_t size = 0;
    char *body = file ? read_file(file, &size) : room(1);
    k->name = name;
    k->rate = strtod(rate, NULL);
    k->request = room(size + 1024);
    int head = snprintf(k->request, 1024,
                        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        method, path, size);
    memcpy(k->request + head, body, size);
    k->length = (size_t)head + size;
    free(body);
    struct samples *all[] = {&k->good, &k->refused, &k->wrong};
    for (size_t i = 0; i < 3; i++)
        all[i]->ms = room(MOST_SAMPLES * sizeof(float)); /* touched as it fills */
}

static void watch_for(struct connection *c, unsigned events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e) != 0)
        give_up("epoll");
}

static bool dial(struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        give_up("out of descriptors");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
        errno != EINPROGRESS)
        return false;
    c->reused = false;
    return epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

static void hang_up(struct connection *c)
{
    close(c->fd);
    c->state = CLOSED;
}

/* The answer, or its absence, is there. */
static void end(struct connection *c, bool answered)
{
    struct kind *k = c->kind;
    double ms = now_ms() - c->due_ms;
    under_way--;
    if (!answered)
        k->failed++;
    else if (ms > 1e3 * PATIENCE_S)
        k->late++;
    else
        add_sample(c->status == 200                       ? &k->good
                   : c->status == 503 || c->status == 429 ? &k->refused
                                                          : &k->wrong,
                   ms);
    if (!answered || c->last)
        hang_up(c);
    else
        c->state = IDLE;
    idle[idle_count++] = c;
}

static void go_on_sending(struct connection *c)
{
    while (c->sent < c->kind->length) {
        ssize_t n = send(c->fd, c->kind->request + c->sent, c->kind->length - c->sent,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) /* refused before all was sent: the answer may be there */
            break;
        c->sent += (size_t)n;
    }
    c->state = HEARING_HEAD;
    watch_for(c, EPOLLIN);
}

static void ask(struct kind *k, double due_ms)
{
    struct connection *c = idle[--idle_count];
    c->kind = k;
    c->due_ms = due_ms;
    c->sent = c->held = 0;
    under_way++;
    bool fresh = c->state == CLOSED;
    c->reused = !fresh;
    c->state = SENDING;
    if (fresh && !dial(c)) {
        end(c, false);
        return;
    }
    if (!fresh) {
        watch_for(c, EPOLLIN | EPOLLOUT);
        go_on_sending(c);
    }
}

/* Takes the head apart when it is whole; what is behind it stays. */
static bool take_head(struct connection *c)
{
    c->head[c->held] = '\0';
    char *stop = strstr(c->head, "\r\n\r\n");
    if (!stop)
        return false;
    stop[2] = '\0';
    c->status = (unsigned)atoi(c->head + 9);
    const char *length = strcasestr(c->head, "\ncontent-length:");
    c->chunked = strcasestr(c->head, "\ntransfer-encoding: chunked") != NULL;
    c->last = strcasestr(c->head, "\nconnection: close") != NULL;
    c->left = length ? strtoul(length + 16, NULL, 10) : 0;
    c->last_chunk = !c->chunked;
    size_t used = (size_t)(stop + 4 - c->head);
    c->held -= used;
    memmove(c->head, stop + 4, c->held);
    c->state = HEARING_BODY;
    return true;
}

/* Of the body; true when all of it has come. */
static bool take_body(struct connection *c)
{
    for (;;) {
        size_t n = c->left < c->held ? c->left : c->held;
        c->left -= n;
        c->held -= n;
        memmove(c->head, c->head + n, c->held);
        if (c->left > 0)
            return false;
        if (c->last_chunk)
            return true;
        c->head[c->held] = '\0';
        char *line = strstr(c->head, "\r\n");
        if (!line)
            return false;
        size_t size = strtoul(c->head, NULL, 16);
        c->last_chunk = size == 0;
        c->left = (size_t)(line + 2 - c->head) + size + 2;
    }
}

static void hear(struct connection *c)
{
    static char bytes[256 * 1024]; /* for what is only passed over */
    for (;;) {
        bool over = c->state == HEARING_BODY && c->left > c->held && c->held == 0;
        size_t most = over ? c->left : HEAD_BYTES - c->held;
        most = over && most > sizeof bytes ? sizeof bytes : most;
        ssize_t n = recv(c->fd, over ? bytes : c->head + c->held, most, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            end(c, false);
            return;
        }
        if (over)
            c->left -= (size_t)n;
        else
            c->held += (size_t)n;
        if (c->state != HEARING_BODY && !take_head(c))
            continue;
        if (take_body(c)) {
            end(c, true);
            return;
        }
    }
}

static void attend(const struct epoll_event *e)
{
    struct connection *c = e->data.ptr;
    if (c->state == IDLE) { /* closed while it rested */
        hang_up(c);
        return;
    }
    if (c->state == SENDING && (e->events & EPOLLIN) && c->sent > 0) {
        c->state = HEARING_HEAD; /* an answer before all was sent */
        watch_for(c, EPOLLIN);
    }
    if (c->state == SENDING)
        go_on_sending(c);
    else if (c->state != CLOSED)
        hear(c);
}

static void due(struct kind *k, double due_ms)
{
    k->asked++;
    if (idle_count > 0) {
        ask(k, due_ms);
        return;
    }
    if (waiting_count == MOST_WAITING)
        give_up("too many are due");
    size_t at = (waiting_first + waiting_count++) % MOST_WAITING;
    waiting[at].kind = k;
    waiting[at].due_ms = due_ms;
}

static double random_gap_ms(double rate)
{
    return -log(1 - drand48()) * 1e3 / rate;
}

/* What is due by now; returns when the next will be. */
static double release(double now, bool closed_loop)
{
    double next = now + 100;
    while (waiting_count > 0 && idle_count > 0) {
        ask(waiting[waiting_first].kind, waiting[waiting_first].due_ms);
        waiting_first = (waiting_first + 1) % MOST_WAITING;
        waiting_count--;
    }
    static size_t turn;
    while (closed_loop && idle_count > 0)
        due(&kinds[turn++ % kind_count], now);
    for (size_t i = 0; i < kind_count; i++) {
        for (; kinds[i].due_ms <= now; kinds[i].due_ms += random_gap_ms(kinds[i].rate))
            due(&kinds[i], kinds[i].due_ms);
        next = kinds[i].due_ms < next ? kinds[i].due_ms : next;
    }
    return next;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, struct samples *s)
{
    qsort(s->ms, s->count, sizeof *s->ms, ascending);
    const double parts[] = {0.5, 0.99, 1};
    printf(",\"%s\":{\"count\":%zu", name, s->count);
    for (size_t i = 0; i < 3 && s->count > 0; i++)
        printf(",\"p%g\":%.3f", 100 * parts[i],
               (double)s->ms[(size_t)(parts[i] * (double)(s->count - 1))]);
    printf("}");
}

static void print_kind(struct kind *k, double seconds)
{
    size_t unsaid = k->asked - k->good.count - k->refused.count - k->wrong.count -
                    k->late - k->failed;
    printf("{\"kind\":\"%s\",\"seconds\":%.3f,\"asked\":%zu,\"late\":%zu,"
           "\"failed\":%zu,\"unsaid\":%zu",
           k->name, seconds, k->asked, k->late, k->failed, unsaid);
    print_samples("good", &k->good);
    print_samples("refused", &k->refused);
    print_samples("wrong", &k->wrong);
    printf("}\n");
}

static void run(double seconds, bool closed_loop)
{
    enum { EVENTS = 256 };
    struct epoll_event events[EVENTS];
    double begun = now_ms(), stop = begun + 1e3 * seconds;
    for (size_t i = 0; i < kind_count; i++)
        kinds[i].due_ms =
            closed_loop ? (double)INFINITY : begun + random_gap_ms(kinds[i].rate);
    /* After the end nothing becomes due; what is under way is heard out. */
    for (double now = begun; now < stop + 1e3 * PATIENCE_S; now = now_ms()) {
        bool going = now < stop;
        if (!going && under_way == 0 && waiting_count == 0)
            break;
        double next = release(now, closed_loop && going);
        if (!going)
            for (size_t i = 0; i < kind_count; i++)
                kinds[i].due_ms = (double)INFINITY;
        double pause = going && next > now ? next - now : 0;
        struct timespec rest = {0, (long)((pause > 10 ? 10 : pause) * 1e6)};
        if (!going)
            rest.tv_nsec = 1000000;
        int n = epoll_pwait2(poller, events, EVENTS, &rest, NULL);
        for (int i = 0; i < n; i++)
            attend(&events[i]);
    }
    for (size_t i = 0; i < kind_count; i++)
        print_kind(&kinds[i], seconds);
}

int main(int count, char **arguments)
{
    if (count < 5)
        give_up("PORT SECONDS CONNECTIONS NAME:RATE:METHOD:PATH[:BODY_FILE]...");
    port = atoi(arguments[1]);
    connection_count = strtoul(arguments[3], NULL, 10);
    if (connection_count == 0 || connection_count > MOST_CONNECTIONS)
        give_up("1 to 4096 connections");
    for (int i = 4; i < count; i++)
        add_kind(arguments[i]);
    bool closed_loop = true;
    for (size_t i = 0; i < kind_count; i++)
        closed_loop = closed_loop && kinds[i].rate == 0;

    srand48(1);
    poller = epoll_create1(EPOLL_CLOEXEC);
    connections = room(connection_count * sizeof *connections);
    waiting = room(MOST_WAITING * sizeof *waiting);
    for (size_t i = 0; i < connection_count; i++)
        idle[idle_count++] = &connections[i];
    run(strtod(arguments[2], NULL), closed_loop);
    return EXIT_SUCCESS;
}
