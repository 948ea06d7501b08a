/* account.h - what is counted, kept and logged of a request when it is over. */
#ifndef HTTP_ACCOUNT_H
#define HTTP_ACCOUNT_H

#include "http/exchange.h"

/* Called once for each request, `now`, after the last byte of its answer or when its
 * connection broke. */
void account_for(struct exchange *x, int64_t now, enum MHD_RequestTerminationCode why);

#endif
