/* scarce.h - what a module does when the system has nothing left.
 *
 * Between _begin and _end every allocation (or open) of this process fails, so no
 * assertion may stand there. False, and a word on stdout, where that cannot be had:
 * the sanitizers' allocators end the process instead. Keep it to tests that run in
 * a process of their own (CK_FORK=yes, the default). */
#ifndef TESTS_SUPPORT_SCARCE_H
#define TESTS_SUPPORT_SCARCE_H

#include <stdbool.h>

bool scarce_memory_begin(void);
void scarce_memory_end(void);

/* The heap still has a little, but there is no room for a thread's stack. */
bool scarce_pages_begin(void);
void scarce_pages_end(void);

bool scarce_files_begin(void);
void scarce_files_end(void);

#endif
