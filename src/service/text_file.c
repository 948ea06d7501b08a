#include "service/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not more than `most` bytes, however much the file grows meanwhile. */
static ssize_t read_all(int fd, char *text, size_t most)
{
    size_t length = 0;
    while (length < most) {
        ssize_t more = read(fd, text + length, most - length);
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        length += (size_t)more;
    }
    return (ssize_t)length;
}

static bool read_open(int fd, const char *path, const char *setting, size_t most,
                      char *text, size_t *length, struct error *e)
{
    ssize_t n = read_all(fd, text, most + 1);
    if (n < 0)
        return error_set(e, ERROR_INVALID_INPUT, setting, "%s: %s", path,
                         strerror(errno));
    *length = (size_t)n;
    if (*length > most)
        return error_set(e, ERROR_INVALID_INPUT, setting,
                         "%s: is larger than %zu bytes", path, most);
    if (memchr(text, '\0', *length))
        return error_set(e, ERROR_INVALID_INPUT, setting, "%s: is not a text", path);
    text[*length] = '\0';
    return true;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
static int open_regular(const char *path, const char *setting, mode_t *mode,
                        struct error *e)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_set(e, ERROR_INVALID_INPUT, setting, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        error_set(e, ERROR_INVALID_INPUT, setting, "%s: is not a regular file", path);
        close(fd);
        return -1;
    }
    if (mode)
        *mode = status.st_mode;
    return fd;
}

char *text_file_read(const char *path, const char *setting, size_t most, size_t *length,
                     mode_t *mode, struct error *e)
{
    int fd = open_regular(path, setting, mode, e);
    if (fd < 0)
        return NULL;
    char *text = malloc(most + 2);
    bool read = text
                    ? read_open(fd, path, setting, most, text, length, e)
                    : error_set(e, ERROR_OUT_OF_MEMORY, setting, "%s: no memory", path);
    close(fd);
    if (read)
        return text;
    if (text)
        explicit_bzero(text, most + 2); /* it may be of a private key */
    free(text);
    return NULL;
}
