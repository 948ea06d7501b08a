/* cut.h - ends connections from the watch's thread, with a last word where one is
 * expected.
 *
 * A client that sends while its connection is closed gets a reset, which may take the
 * words from it (RFC 9112, 9.6). So after words only our side is shut: the client has a
 * second to read them and to leave, then cut_late() shuts the rest. When the HTTP
 * thread reads something meanwhile, it closes at once, and the socket is read on; see
 * farewell.h. */
#ifndef HTTP_CUT_H
#define HTTP_CUT_H

#include "http/exchange.h"

/* The exchange is in `phase` (PHASE_IDLE, _HEAD, _BODY or _ANSWERING), and too slow:
 * PHASE_CUT, 408 to who has begun a request. Unless the phase is another by now. */
void cut_slow(struct exchange *x, int phase);

/* Its body does not go on, and memory is short: 503. */
void cut_stalled(struct exchange *x);

/* It rests, and others have no room: 503 to who has begun a request, and gone at once.
 * A client that rests sends nothing that could take the words from it. */
void cut_resting(struct exchange *x, int phase);

/* Its client has left. */
void cut_left(struct exchange *x, int phase);

/* It is in PHASE_CUT, which has an end. */
void cut_late(struct exchange *x, int64_t now);

/* The service ends: 503 to who has sent part of a request, nothing to others. */
void cut_unfinished(struct exchange *x);

/* The service ends, and a worker hangs over the call: nobody else will answer. */
void cut_hung(struct exchange *x);

#endif
