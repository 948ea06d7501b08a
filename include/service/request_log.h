/* request_log.h - the last N requests, for GET /metrics/requests. Any thread may
 * call. */
#ifndef SERVICE_REQUEST_LOG_H
#define SERVICE_REQUEST_LOG_H

#include "codec/request_record.h"

struct request_log; /* a ring under a lock that is held for one copy */

/* Keeps the last `capacity` (1 or more) records; NULL when there is no memory. */
struct request_log *request_log_new(size_t capacity);
void request_log_delete(struct request_log *log); /* NULL is fine */
void request_log_add(struct request_log *log, const struct request_record *record);

/* Copies up to `most` records into `out`, newest first; returns how many. Who adds
 * waits meanwhile: ask for some thousand at most. */
size_t request_log_read(struct request_log *log, struct request_record *out,
                        size_t most);

#endif
