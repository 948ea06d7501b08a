/* syscall_filter.h - what the kernel still does for this process once it serves.
 *
 * An allow-list, by libseccomp: reading and writing what is open, taking connections,
 * waiting, memory that is not code, files to read, clocks, random numbers, the end. So
 * code that has been taken over can open no connection, write no file, make no code.
 *
 * What is not on the list fails with EPERM and does not kill: a newer C library may try
 * a call that nobody has heard of, and goes on by another one. What this program can
 * have no reason for (to start another one, to look into one) kills the process. */
#ifndef SERVICE_SYSCALL_FILTER_H
#define SERVICE_SYSCALL_FILTER_H

#include "base/error.h"

/* As the words of the setting `seccomp`. */
enum syscall_filter {
    SYSCALLS_ALL,     /* off */
    SYSCALLS_LOGGED,  /* log: what is not on the list is done, and told to the kernel's
                       * log (audit) */
    SYSCALLS_FILTERED /* on */
};

/* For all threads there are, and for ever; no privileges can be gained any more
 * (PR_SET_NO_NEW_PRIVS). No thread can be started under SYSCALLS_FILTERED. False with
 * `e` set (ERROR_INTERNAL) when the kernel or the library refuses: nothing is
 * filtered then. `unlinks`: names of files may be removed, as a socket file's is. */
MUST_USE bool syscall_filter_install(enum syscall_filter which, bool unlinks,
                                     struct error *e);

#endif
