/* guarded_read.h - every byte that libmicrohttpd reads comes through here.
 *
 * The library offers no place between the socket and its parser. But it calls recv(),
 * as a symbol that the program may define: ours reads, has the connection's guard look
 * at what came (http/guard.h), and gives the library what may pass. Descriptors that
 * have no guard are read as ever. */
#ifndef HTTP_GUARDED_READ_H
#define HTTP_GUARDED_READ_H

#include <limits.h>
#include <sys/types.h>

#include "http/guard.h"

/* A process has no larger descriptors, unless an administrator raised fs.nr_open. */
enum { GUARDED_DESCRIPTORS = 1 << 20 };

/* From now on `fd` is read through `g`, which is borrowed; by the thread that calls,
 * and until guarded_read_end(), which must come before `fd` is closed. False: `fd` is
 * too large to have a guard. */
MUST_USE bool guarded_read_begin(int fd, struct guard *g);
void guarded_read_end(int fd);

/* NULL: it has none. */
struct guard *guarded_read_guard(int fd);

/* Reads up to `size` bytes, which is at least 1, as recv() does: their number, 0 at the
 * end, or something negative. */
typedef ssize_t guarded_reader(void *context, void *buffer, size_t size);

enum { GUARDED_NOTHING = INT_MIN };

/* Reads through `read` what may pass: its number, or 0 or less as `read` said;
 * GUARDED_NOTHING: bytes came, or were there before, but none is for the library now.
 * Fewer than `size` when there is nothing more to be had just now, which the library
 * relies upon. */
ssize_t guarded_read(struct guard *g, guarded_reader *read, void *context, void *buffer,
                     size_t size);

#endif
