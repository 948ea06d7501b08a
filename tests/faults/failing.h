/* failing.h - lets the k-th call that may fail do so: memory, threads, sockets, and the
 * responses of the HTTP library.
 *
 * Only programs in tests/faults are linked with it (--wrap in the Makefile), and only
 * our own code's calls fail, not those of the libraries behind it. */
#ifndef TESTS_FAULTS_FAILING_H
#define TESTS_FAULTS_FAILING_H

#include <stdbool.h>

/* From now on the k-th such call of any thread fails (from 1); `ever`: those after it,
 * too. */
void failing_begin(unsigned k, bool ever);

/* From now on no connection can be accepted, for want of descriptors; that is not
 * counted otherwise, as the accepting thread looks whenever it likes. */
void failing_begin_accepts(void);

/* Nothing fails any more. Returns how many calls there were. */
unsigned failing_end(void);

/* The calls of this thread neither fail nor count: it belongs to the test. */
void failing_spare(void);

#endif
