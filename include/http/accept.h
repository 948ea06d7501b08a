/* accept.h - which of our media types a client wants (RFC 9110, 12.5.1). */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/* The index of the offer with the highest quality, the earlier one when equal;
 * `offer_count` when none is acceptable. `accepts` are the values of all Accept
 * fields; none, or only blank ones, accept everything. The most specific range that
 * matches an offer decides its quality; parameters other than q do not. */
size_t accept_choose(const char *const *accepts, size_t accept_count,
                     const char *const *offers, size_t offer_count);

/* Is this Content-Type JSON that we can read: application/json, and a charset, if
 * there is one, of utf-8? */
bool content_type_is_json(const char *content_type);

#endif
