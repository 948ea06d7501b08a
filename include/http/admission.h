/* admission.h - may this request be taken? Decided from its head alone, so that a
 * refusal is sent instead of `100 Continue` and before the body. */
#ifndef HTTP_ADMISSION_H
#define HTTP_ADMISSION_H

#include "http/exchange.h"

/* Sets the request's body_kind, route, label and offer, and `body_length` (0 when it
 * is not told). False with `refusal` set. */
MUST_USE bool admission_check(struct exchange *x, uint64_t *body_length);

#endif
