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

/* From now on the HTTP library does not take connections: it refuses them; it closes
 * them and does not say so; or it is slow, and they are as they were given to it in
 * failing_slow[], for the test to close. Not counted otherwise. */
enum failing_adds { ADDS_TAKEN, ADDS_REFUSED, ADDS_LOST, ADDS_SLOW };
void failing_begin_adds(enum failing_adds how);
enum { FAILING_SLOW = 16 };
extern int failing_slow[FAILING_SLOW];
extern _Atomic unsigned failing_slow_count;

/* Nothing fails any more. Returns how many calls there were. */
unsigned failing_end(void);

/* The calls of this thread neither fail nor count: it belongs to the test. */
void failing_spare(void);

#endif
