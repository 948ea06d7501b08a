/* last_words.h - the last answer on a connection, where the library cannot give one: to
 * a request that is not complete, or on a connection that it was not given. */
#ifndef HTTP_LAST_WORDS_H
#define HTTP_LAST_WORDS_H

#include "base/buffer.h"
#include "base/error.h"

/* The problem document of `error`, head and all, for the request `id`; with a
 * Retry-After of so many seconds where there is one at all. `words` is initialised
 * here. Returns how many bytes the document has. Any thread. */
size_t last_words_write(const struct error *error, unsigned retry_after_s,
                        const char *id, struct buffer *words);

/* Writes it to a plain socket. Does not wait: a socket that takes nothing belongs to a
 * client that does not read, either. Any thread. */
size_t last_words_send(int fd, const struct error *error, unsigned retry_after_s,
                       const char *id);

#endif
