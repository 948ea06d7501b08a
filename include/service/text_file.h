/* text_file.h - a small file of settings or keys, read whole. */
#ifndef SERVICE_TEXT_FILE_H
#define SERVICE_TEXT_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* All of a regular file of at most `most` bytes without zero bytes, with a zero byte
 * behind it; the caller frees it. A link is followed: secrets that Kubernetes mounts
 * are links. NULL with `e` set: ERROR_INVALID_INPUT at `setting`, "<path>: <why>",
 * never with anything of what the file holds, of which nothing stays in memory then: a
 * key's caller wipes what is good. `mode` is what chmod set; may be NULL. */
MUST_USE char *text_file_read(const char *path, const char *setting, size_t most,
                              size_t *length, mode_t *mode, struct error *e);

#endif
