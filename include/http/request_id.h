/* request_id.h - the name of a request in answers, logs and metrics. */
#ifndef HTTP_REQUEST_ID_H
#define HTTP_REQUEST_ID_H

#include <stdbool.h>

enum { REQUEST_ID_BYTES = 129, TRACE_ID_BYTES = 33 }; /* with their final zero */

/* 1 to 128 of [A-Za-z0-9._:-]: safe in a header, a log line and JSON as it is. */
bool request_id_valid(const char *id);

/* 128 random bits as 32 hexadecimal digits. */
void request_id_generate(char id[REQUEST_ID_BYTES]);

/* The trace id of a `traceparent` (W3C Trace Context, level 1). False when it is
 * malformed: the header is then as good as missing. */
bool traceparent_read(const char *traceparent, char trace_id[TRACE_ID_BYTES]);

#endif
