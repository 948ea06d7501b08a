/* answer_windows.h - room for an answer that is written and sent a window at a time.
 *
 * A window is a run of neighbouring pieces. An answer of up to WHOLE_ANSWER bytes is
 * one window; of a larger one two windows have room, so that one can be sent while the
 * next is written, and the memory for an answer does not grow with it. */
#ifndef SERVICE_ANSWER_WINDOWS_H
#define SERVICE_ANSWER_WINDOWS_H

#include <sys/uio.h>

#include "codec/attention_response.h"

enum { WHOLE_ANSWER = 8 << 20, ANSWER_WINDOW = 1 << 20 };

struct answer_windows {
    const struct attention_response *response;
    size_t most;       /* bytes of a window, unless one piece alone has more */
    size_t first, end; /* pieces of the window at work */
    struct iovec *pieces;
    struct {
        char *bytes;
        struct iovec *pieces;
    } room[2]; /* the same one twice where one window is all */
    unsigned turn;
};

/* Takes the room from `arena`. `response` is borrowed. No window is begun yet. False:
 * ERROR_OUT_OF_MEMORY. */
MUST_USE bool answer_windows_plan(struct answer_windows *w,
                                  const struct attention_response *response,
                                  struct arena *arena, struct error *e);

/* Begins the next window: `pieces` are as long as their bounds, and not written yet.
 * The window before stays as it is. */
void answer_windows_next(struct answer_windows *w);

/* Whether the window at work holds the last piece. */
bool answer_windows_at_end(const struct answer_windows *w);

#endif
