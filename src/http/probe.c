#include "http/probe.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/listener.h"
#include "service/clock.h"

static bool wait_for(int fd, short events, int64_t until_ns)
{
    int64_t left = until_ns - clock_now_ns();
    struct pollfd p = {.fd = fd, .events = events};
    return left > 0 && poll(&p, 1, (int)(left / NS_PER_MS) + 1) > 0;
}

static bool ask(int fd, int64_t until_ns)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    return wait_for(fd, POLLOUT, until_ns) &&
           send(fd, request, sizeof request - 1, MSG_NOSIGNAL) ==
               (ssize_t)sizeof request - 1;
}

/* The status of the answer; 0 when none came. */
static int read_status(int fd, int64_t until_ns)
{
    char text[256] = "";
    size_t length = 0;
    while (length < sizeof text - 1 && wait_for(fd, POLLIN, until_ns)) {
        ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
        text[length] = '\0';
        if (strchr(text, '\n'))
            return strncmp(text, "HTTP/1.", 7) == 0 ? (int)strtol(text + 9, NULL, 10)
                                                    : 0;
    }
    return 0;
}

bool probe(const struct settings *settings, char *line, size_t size)
{
    bool socket_file = strncmp(settings->bind, "unix:", 5) == 0;
    if (!socket_file && settings->port == 0) {
        snprintf(line, size, "cannot be asked: port 0 stands for any");
        return false;
    }
    struct error e = {0};
    int64_t until_ns = clock_now_ns() + 2 * NS_PER_S;
    int fd = listener_connect(settings->bind, (uint16_t)settings->port, &e);
    if (fd < 0) {
        snprintf(line, size, "not ready: %s", e.message);
        return false;
    }
    int status = ask(fd, until_ns) ? read_status(fd, until_ns) : 0;
    close(fd);
    if (status == 200)
        snprintf(line, size, "ready");
    else if (status)
        snprintf(line, size, "not ready: /readyz answers %d", status);
    else
        snprintf(line, size, "not ready: no answer from %s", settings->bind);
    return status == 200;
}
