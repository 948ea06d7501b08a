#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char unix_prefix[] = "unix:";
enum { PREFIX_BYTES = sizeof unix_prefix - 1 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un file;
};

bool listener_is_file(const char *bind)
{
    return strncmp(bind, unix_prefix, PREFIX_BYTES) == 0;
}

static bool path_fits(const char *setting, const char *path, struct error *e)
{
    const size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path, n = strlen(path);
    return (n > 0 && n < room) ||
           error_set(e, ERROR_INVALID_INPUT, setting,
                     "%s: unix: needs a path of 1 to %zu bytes behind it", setting,
                     room - 1);
}

static bool unix_address(const char *path, union address *a, socklen_t *size,
                         struct error *e)
{
    if (!path_fits("bind", path, e))
        return false;
    memset(&a->file, 0, sizeof a->file);
    a->file.sun_family = AF_UNIX;
    memcpy(a->file.sun_path, path, strlen(path));
    *size = sizeof a->file;
    return true;
}

enum { HOST_BYTES = 256 };

/* "[::1]" is written with brackets where a port follows; both are understood. */
static void strip_brackets(const char *bind, char host[HOST_BYTES])
{
    bool bracketed = bind[0] == '[' && bind[strlen(bind) - 1] == ']';
    snprintf(host, HOST_BYTES, "%.*s", (int)(strlen(bind) - (bracketed ? 2 : 0)),
             bind + (bracketed ? 1 : 0));
}

static bool tcp_address(const char *bind, uint16_t port, union address *a,
                        socklen_t *size, struct error *e)
{
    char host[HOST_BYTES], service[8];
    strip_brackets(bind, host);
    snprintf(service, sizeof service, "%u", port);

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int status = getaddrinfo(host, service, &hints, &found);
    if (status != 0)
        return error_set(e, ERROR_INVALID_INPUT, "bind", "%s is no address: %s", bind,
                         gai_strerror(status));
    *size = found->ai_addrlen;
    memcpy(a, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

/* The zone ("%eth0") is of a machine, and no matter of the text. */
static bool is_ipv6(const char *host)
{
    char address[HOST_BYTES];
    struct in6_addr unused;
    snprintf(address, sizeof address, "%.*s", (int)strcspn(host, "%"), host);
    return inet_pton(AF_INET6, address, &unused) == 1;
}

/* Of digits and dots alone no name is made; the resolver takes short addresses, too. */
static bool is_ipv4_or_name(const char *host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct in_addr unused;
    if (host[strspn(host, "0123456789.")] == '\0')
        return inet_aton(host, &unused) != 0;
    return host[strspn(host, letters)] == '\0';
}

bool listener_check(const char *setting, const char *bind, struct error *e)
{
    char host[HOST_BYTES];
    if (listener_is_file(bind))
        return path_fits(setting, bind + PREFIX_BYTES, e);
    strip_brackets(bind, host);
    return (strchr(host, ':') ? is_ipv6(host) : is_ipv4_or_name(host)) ||
           error_set(e, ERROR_INVALID_INPUT, setting,
                     "%s: %s is neither an address nor a name", setting, bind);
}

static bool resolve(const char *bind, uint16_t port, union address *a, socklen_t *size,
                    struct error *e)
{
    if (listener_is_file(bind))
        return unix_address(bind + PREFIX_BYTES, a, size, e);
    return tcp_address(bind, port, a, size, e);
}

static bool failed(struct error *e, const char *what, const char *bind, uint16_t port)
{
    int error = errno;
    char where[16] = "";
    if (!listener_is_file(bind))
        snprintf(where, sizeof where, " port %u", port);
    return error_set(e, ERROR_INTERNAL, "bind", "cannot %s %s%s: %s", what, bind, where,
                     strerror(error));
}

/* Of a service that was killed: the file is there, but nobody behind it. */
static void remove_stale(const union address *a, socklen_t size)
{
    struct stat status;
    if (lstat(a->file.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, &a->any, size) != 0 && errno == ECONNREFUSED)
        unlink(a->file.sun_path);
    close(fd);
}

static bool describe(struct listener *l, union address *a)
{
    socklen_t size = sizeof *a;
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->any.sa_family == AF_UNIX) {
        snprintf(l->path, sizeof l->path, "%s", a->file.sun_path);
        snprintf(l->address, sizeof l->address, "%s%s", unix_prefix, l->path);
        return true;
    }
    if (getsockname(l->fd, &a->any, &size) != 0)
        return false; /* GCOVR_EXCL_LINE: the kernel has no memory */
    if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
        snprintf(l->address, sizeof l->address, "[%s]:%u", host,
                 ntohs(a->v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
        snprintf(l->address, sizeof l->address, "%s:%u", host, ntohs(a->v4.sin_port));
    }
    return true;
}

/* Connections inherit the bound on what the kernel holds of an answer beside what is on
 * its way: a thousand slow readers would have it keep megabytes for each. */
static void configure_tcp(int fd)
{
    enum { UNSENT = 256 * 1024 };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){UNSENT}, sizeof(int));
}

bool listener_open(struct listener *l, const char *bind_to, uint16_t port,
                   struct error *e)
{
    *l = (struct listener){.fd = -1};
    union address a = {.any.sa_family = AF_UNSPEC};
    socklen_t size = 0;
    if (!resolve(bind_to, port, &a, &size, e))
        return false;

    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(e, "open a socket for", bind_to, port);
    if (a.any.sa_family == AF_UNIX)
        remove_stale(&a, size);
    else
        configure_tcp(fd);
    if (bind(fd, &a.any, size) != 0 || listen(fd, SOMAXCONN) != 0) {
        failed(e, "listen on", bind_to, port);
        close(fd);
        return false;
    }
    l->fd = fd;
    return describe(l, &a) || failed(e, "find the port of", bind_to, port);
}

void listener_refuse(struct listener *l)
{
    if (l->fd < 0)
        return;
    if (l->path[0]) {
        unlink(l->path);
        l->path[0] = '\0';
        return;
    }
    enum { FLAGS = 13, SYN = 0x02 }; /* RFC 9293: offset in the TCP header, bit */
    struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = {.len = sizeof drop_syn / sizeof *drop_syn,
                                       .filter = drop_syn};
    setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void listener_close(struct listener *l)
{
    if (l->fd < 0)
        return;
    close(l->fd);
    l->fd = -1;
    if (l->path[0])
        unlink(l->path);
}

static void prefer_loopback(union address *a)
{
    if (a->any.sa_family == AF_INET && a->v4.sin_addr.s_addr == htonl(INADDR_ANY))
        a->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (a->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr))
        a->v6.sin6_addr = in6addr_loopback;
}

int listener_connect(const char *bind_to, uint16_t port, struct error *e)
{
    union address a = {.any.sa_family = AF_UNSPEC};
    socklen_t size = 0;
    if (!resolve(bind_to, port, &a, &size, e))
        return -1;
    prefer_loopback(&a);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, &a.any, size) != 0 && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        failed(e, "connect to", bind_to, port);
    return fd;
}
