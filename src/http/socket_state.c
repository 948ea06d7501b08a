#include "http/socket_state.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The kernel's struct: that of the C library ends before the bytes. */
static bool read_info(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof *info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 &&
           size >= offsetof(struct tcp_info, tcpi_segs_out);
}

bool socket_has_received(int fd)
{
    struct tcp_info info;
    return !read_info(fd, &info) || info.tcpi_bytes_received > 0;
}

bool socket_sending(int fd, uint64_t *taken, uint64_t *waiting)
{
    struct tcp_info info;
    int left = 0;
    if (!read_info(fd, &info) || ioctl(fd, SIOCOUTQ, &left) != 0)
        return false;
    *taken = info.tcpi_bytes_acked;
    *waiting = (uint64_t)left;
    return true;
}
