/* One client that asks again and again, each request when the last is answered, and
 * tells what they took, every one counted as it was (wrk invents latencies that would
 * have been seen at a steady rate, which is another question):
 *
 *   bench_client PORT PATH BODY_FILE SECONDS
 *   {"requests":2000,"seconds":2.0,"errors":0,"min":0.07,"p50":0.08,"p99":0.2}
 *
 * Latencies are milliseconds from the first byte sent to the last one received. An
 * answer must be 200 with a Content-Length, or chunked. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 1024, MOST_SAMPLES = 1 << 22, ROOM = 1 << 20 };

struct client {
    int port, socket;
    char *request;
    size_t length;
    char *room; /* what was received and is not used yet, with a NUL behind it */
    size_t held;
};

static void give_up(const char *what)
{
    fprintf(stderr, "bench_client: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void make_request(struct client *c, const char *path, const char *file)
{
    FILE *body = fopen(file, "rb");
    if (!body || fseek(body, 0, SEEK_END) != 0)
        give_up("cannot read the body");
    size_t size = (size_t)ftell(body);
    rewind(body);
    c->request = malloc(HEAD_BYTES + size);
    c->room = malloc(ROOM + 1);
    if (!c->request || !c->room)
        give_up("no memory");
    int head = snprintf(c->request, HEAD_BYTES,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        path, size);
    if (head >= HEAD_BYTES || fread(c->request + head, 1, size, body) != size)
        give_up("cannot read the body");
    fclose(body);
    c->length = (size_t)head + size;
}

static void dial(struct client *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)c->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0 ||
        connect(c->socket, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("cannot connect");
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void receive(struct client *c)
{
    ssize_t got = recv(c->socket, c->room + c->held, ROOM - c->held, 0);
    if (got <= 0)
        give_up("the connection was closed");
    c->held += (size_t)got;
    c->room[c->held] = '\0';
}

static void drop(struct client *c, size_t bytes)
{
    c->held -= bytes;
    memmove(c->room, c->room + bytes, c->held + 1);
}

/* Passes over so many bytes of a body. */
static void skip(struct client *c, size_t bytes)
{
    while (bytes > c->held) {
        bytes -= c->held;
        c->held = 0;
        receive(c);
    }
    drop(c, bytes);
}

/* The bytes up to `end` and with it. */
static size_t until(struct client *c, const char *end)
{
    char *found;
    while (!(found = strstr(c->room, end)))
        receive(c);
    return (size_t)(found - c->room) + strlen(end);
}

static void read_chunks(struct client *c)
{
    for (size_t size = 1; size > 0;) {
        size_t line = until(c, "\r\n");
        size = strtoul(c->room, NULL, 16);
        drop(c, line);
        skip(c, size + 2);
    }
}

/* False for a status other than 200. */
static bool exchange(struct client *c)
{
    for (size_t sent = 0; sent < c->length;) {
        ssize_t n = send(c->socket, c->request + sent, c->length - sent, MSG_NOSIGNAL);
        if (n <= 0)
            give_up("the connection was closed");
        sent += (size_t)n;
    }
    size_t head = until(c, "\r\n\r\n");
    c->room[head - 1] = '\0';
    bool good = strncmp(c->room, "HTTP/1.1 200", 12) == 0;
    const char *length = strcasestr(c->room, "\ncontent-length:");
    bool last = strcasestr(c->room, "\nconnection: close") != NULL;
    size_t size = length ? strtoul(length + 16, NULL, 10) : 0;
    drop(c, head);
    if (length)
        skip(c, size);
    else
        read_chunks(c);
    if (last) { /* the service asks for a new connection now and then */
        close(c->socket);
        dial(c);
    }
    return good;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments)
{
    if (count != 5)
        give_up("PORT PATH BODY_FILE SECONDS");
    struct client c = {.port = atoi(arguments[1])};
    make_request(&c, arguments[2], arguments[3]);
    c.room[0] = '\0';
    dial(&c);
    double *took = malloc(MOST_SAMPLES * sizeof *took);
    if (!took)
        give_up("no memory");

    size_t done = 0, errors = 0;
    double begin = now_ms(), end = begin + 1e3 * strtod(arguments[4], NULL),
           now = begin;
    while (done < MOST_SAMPLES && (done == 0 || now < end)) {
        errors += !exchange(&c);
        double after = now_ms();
        took[done++] = after - now;
        now = after;
    }
    qsort(took, done, sizeof *took, ascending);
    printf(
        "{\"requests\":%zu,\"seconds\":%.3f,\"errors\":%zu,\"min\":%.4f,\"p50\":%.4f,"
        "\"p99\":%.4f}\n",
        done, (now - begin) / 1e3, errors, took[0], took[done / 2],
        took[done * 99 / 100]);
    close(c.socket);
    free(took);
    free(c.request);
    free(c.room);
    return EXIT_SUCCESS;
}
