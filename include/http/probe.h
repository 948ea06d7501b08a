/* probe.h - asks a running service whether it is ready; for health checks. */
#ifndef HTTP_PROBE_H
#define HTTP_PROBE_H

#include "service/settings.h"

/* GET /readyz on the configured address, within two seconds, over TLS where that is
 * configured. Writes one line about what came of it into `line`. True: ready. */
bool probe(const struct settings *settings, char *line, size_t size);

#endif
