/* job_order.h - whose turn it is, among the jobs that stand in line.
 *
 * Jobs are in classes of predicted work, each four times as large as the one before,
 * and stand in line within their class. There are two lines: jobs that nobody has
 * begun, and jobs whose present stage has tasks to give. Who is next:
 *
 *     the smallest class that has anybody, and in it who has stood longest;
 *     but once PASSED_AT_MOST others in a row went before the one who has stood
 *     longest of all, it is that one.
 *
 * So a small job waits for tasks that are running, not for those of larger jobs that
 * stand in line; jobs of like size take turns, as who gave a task goes to the end; and
 * a job before which n others stand is served by the (PASSED_AT_MOST + 1) (n + 1)th
 * turn from now, whatever else comes. Turns are counted, not timed: the order depends
 * on what was asked alone.
 *
 * Not thread-safe: the scheduler's lock guards it. A job is in one line at a time, and
 * borrowed by it. */
#ifndef SERVICE_JOB_ORDER_H
#define SERVICE_JOB_ORDER_H

#include "service/job_list.h"

enum {
    PASSED_AT_MOST = 7,
    JOB_CLASSES = 24,
    SHORT_CLASSES = 4 /* the last of them ends at SHORT_JOB_COST */
};

enum job_line { LINE_WAITING, LINE_SHARED, LINE_COUNT };

enum job_length { LENGTH_SHORT, LENGTH_LONG, LENGTH_COUNT };

struct job_order {
    struct job_list line[LINE_COUNT][JOB_CLASSES];
    size_t length[LINE_COUNT];
    uint64_t arrivals;
    unsigned passed; /* turns since the one who has stood longest had one */
};

void job_order_init(struct job_order *o);

/* Short up to SHORT_JOB_COST. */
enum job_length job_length_of(uint64_t cost);

/* To the end of the line, by its `counted` cost, which must not change meanwhile. */
void job_order_push(struct job_order *o, enum job_line line, struct job *job);

/* Who is next, taken out, and from which line. Of those that nobody has begun only
 * the lengths that `may_start` are asked. NULL: nobody. */
struct job *job_order_pop(struct job_order *o, const bool may_start[LENGTH_COUNT],
                          enum job_line *from);

/* Moves every job that nobody has begun and for which leaves() is true to `to`. */
void job_order_sift(struct job_order *o, bool (*leaves)(struct job *job, void *context),
                    void *context, struct job_list *to);

#endif
