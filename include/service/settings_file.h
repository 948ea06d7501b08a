/* settings_file.h - a file of `name = value` lines, one after another. */
#ifndef SERVICE_SETTINGS_FILE_H
#define SERVICE_SETTINGS_FILE_H

#include "base/error.h"

enum { SETTINGS_FILE_MOST_BYTES = 65536 };

struct settings_file {
    const char *path; /* borrowed */
    unsigned line;    /* the one last read, from 1 */
    char *text;       /* the whole file; owned */
    char *next;       /* what is still to be read */
};

/* Reads all of the file: a regular one, of text without zero bytes, not too
 * large. On failure there is nothing to close. */
MUST_USE bool settings_file_open(struct settings_file *f, const char *path,
                                 struct error *e);
void settings_file_close(struct settings_file *f);

/* The next pair, both texts in the file's own memory; at the end *name is NULL.
 * False, with `e` set, at a line that is neither a pair nor empty nor a comment. */
MUST_USE bool settings_file_next(struct settings_file *f, const char **name,
                                 const char **value, struct error *e);

#endif
