/* client.h - clients made of plain sockets, for tests: they send what they are told,
 * byte for byte, and wait 3 s for what comes. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "service/clock.h"
#include "support/test.h"

/* Waits up to 3 s for a condition that another thread brings about, and that need not
 * last. */
#define await(condition)                                         \
    do {                                                         \
        bool met_;                                               \
        int64_t until_ = clock_now_ns() + 3 * NS_PER_S;          \
        while (!(met_ = (condition)) && clock_now_ns() < until_) \
            nanosleep(&(struct timespec){0, NS_PER_MS}, NULL);   \
        ck_assert_msg(met_, "in 3 s not: %s", #condition);       \
    } while (0)

#define POST_HEAD                                \
    "POST /v1/attention HTTP/1.1\r\nHost: a\r\n" \
    "Content-Type: application/json\r\n"
#define JSON_7       POST_HEAD "Content-Length: 7\r\n"
#define JSON_REQUEST JSON_7 "\r\n{\"a\":1}"

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

/* A chunk of 80000 bytes. */
static inline void client_send_zeros(int fd)
{
    char chunk[80100];
    snprintf(chunk, sizeof chunk, "13880\r\n%080000d\r\n", 0);
    client_send(fd, chunk);
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

#endif
