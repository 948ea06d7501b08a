/* ticker.h - a thread that calls a function again and again, and the lock that
 * guards what that function looks at. */
#ifndef SERVICE_TICKER_H
#define SERVICE_TICKER_H

#include <stdint.h>

#include "base/error.h"

struct ticker;

/* Calls tick(context) every `period_ms` on a thread of its own, holding the lock.
 * NULL with `e` set when the thread cannot be had. */
MUST_USE struct ticker *ticker_new(int64_t period_ms, void (*tick)(void *context),
                                   void *context, struct error *e);

/* The lock, for others who change what tick() reads. Hold it shortly. */
void ticker_lock(struct ticker *t);
void ticker_unlock(struct ticker *t);

/* Stops and joins the thread; the lock must not be held. */
void ticker_delete(struct ticker *t);

#endif
