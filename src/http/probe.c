#include "http/probe.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/listener.h"
#include "service/clock.h"

struct line {
    int fd;
    int64_t until_ns;
    gnutls_session_t session; /* NULL: plain */
    gnutls_certificate_credentials_t trust;
};

static bool wait_for(const struct line *l, short events)
{
    int64_t left = l->until_ns - clock_now_ns();
    struct pollfd p = {.fd = l->fd, .events = events};
    return left > 0 && poll(&p, 1, (int)(left / NS_PER_MS) + 1) > 0;
}

/* Over loopback, with ourselves: whose certificate it is does not matter, and it need
 * not name this address. */
static bool secure(struct line *l)
{
    if (gnutls_certificate_allocate_credentials(&l->trust) < 0 ||
        gnutls_init(&l->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) <
            0 ||
        gnutls_set_default_priority(l->session) < 0 ||
        gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->trust) < 0)
        return false; /* GCOVR_EXCL_LINE no memory */
    gnutls_transport_set_int(l->session, l->fd);
    int result;
    do {
        result = gnutls_handshake(l->session);
    } while (result == GNUTLS_E_AGAIN && wait_for(l, POLLIN));
    return result == GNUTLS_E_SUCCESS;
}

static void hang_up(struct line *l)
{
    if (l->session)
        gnutls_deinit(l->session);
    if (l->trust)
        gnutls_certificate_free_credentials(l->trust);
    close(l->fd);
}

/* It is short, and nothing was sent before. */
static bool ask(const struct line *l)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    ssize_t n = l->session ? gnutls_record_send(l->session, request, sizeof request - 1)
                           : send(l->fd, request, sizeof request - 1, MSG_NOSIGNAL);
    return n == (ssize_t)sizeof request - 1;
}

/* 0 at the end, or when nothing came in time. */
static size_t hear(const struct line *l, char *text, size_t size)
{
    for (;;) {
        ssize_t n = l->session ? gnutls_record_recv(l->session, text, size)
                               : recv(l->fd, text, size, MSG_DONTWAIT);
        if (n >= 0)
            return (size_t)n;
        bool later = l->session ? n == GNUTLS_E_AGAIN : errno == EAGAIN;
        if (!later || !wait_for(l, POLLIN))
            return 0;
    }
}

/* The status of the answer; 0 when none came. */
static int read_status(const struct line *l)
{
    char text[256] = "";
    size_t length = 0;
    while (length < sizeof text - 1) {
        size_t n = hear(l, text + length, sizeof text - 1 - length);
        if (n == 0)
            break;
        length += n;
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
    struct line l = {.until_ns = clock_now_ns() + 2 * NS_PER_S};
    l.fd = listener_connect(settings->bind, (uint16_t)settings->port, &e);
    if (l.fd < 0) {
        snprintf(line, size, "not ready: %s", e.message);
        return false;
    }
    bool tls = settings->tls_certificate[0] != '\0';
    bool connected = wait_for(&l, POLLOUT) && (!tls || secure(&l));
    int status = connected && ask(&l) ? read_status(&l) : 0;
    hang_up(&l);
    if (status == 200)
        snprintf(line, size, "ready");
    else if (status)
        snprintf(line, size, "not ready: /readyz answers %d", status);
    else
        snprintf(line, size, "not ready: no answer from %s", settings->bind);
    return status == 200;
}
