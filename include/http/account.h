/* account.h - what is counted, kept and logged of a request when it is over. */
#ifndef HTTP_ACCOUNT_H
#define HTTP_ACCOUNT_H

#include "http/exchange.h"

/* Called once for each request, `now`, after the last byte of its answer or when its
 * connection broke. */
void account_for(struct exchange *x, int64_t now, enum MHD_RequestTerminationCode why);

/* Of a request that was answered past the library, as x->cut says, while a worker hangs
 * in it: its call is not looked at, and what becomes of it later is not counted. */
void account_for_hung(struct exchange *x);

/* Of words said where no request had begun. Any thread. */
void account_for_words(struct site *site, const struct said *said);

#endif
