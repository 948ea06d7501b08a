/* request_body.h - a request's body as it comes: kept in its call's arena where the
 * route wants one, otherwise counted only. On the exchange's HTTP thread. */
#ifndef HTTP_REQUEST_BODY_H
#define HTTP_REQUEST_BODY_H

#include "http/exchange.h"

/* The head was admitted; of BODY_OF_LENGTH `body_length` bytes are announced. False
 * with the request's refusal set: there is no memory for it. */
MUST_USE bool request_body_begin(struct exchange *x, uint64_t body_length);

/* The exchange's deadline is that of the body, as far as it has come. */
void request_body_pace(struct exchange *x);

/* Takes what came. What is refused on its way, or what nobody asked for, is read on and
 * counted, so that the answer can be sent; but not for ever: false, the refusal was
 * said and the connection is to be closed. */
MUST_USE bool request_body_take(struct exchange *x, const char *data, size_t length);

#endif
