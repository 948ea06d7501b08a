/* precautions.h - what is done, or at least said, before the service is ready. */
#ifndef SERVICE_PRECAUTIONS_H
#define SERVICE_PRECAUTIONS_H

#include <sys/types.h>

#include "service/settings.h"

/* No image of this memory: no core file (RLIMIT_CORE), and, as a program that takes
 * them would still get one, no dump at all and no other process of this user that reads
 * it (PR_SET_DUMPABLE). False with `e` set (ERROR_INTERNAL). */
MUST_USE bool precautions_no_core_dumps(struct error *e);

/* Warns in the log of what makes a break-in worse or easier: `user` is root and callers
 * may come from other machines; or anybody may write the file of settings, the
 * certificate or its key, or read that key. (The file of keys is for `keys`.) */
void precautions_warn(const struct settings *s, uid_t user);

#endif
