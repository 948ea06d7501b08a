/* job_list.h - jobs in the order they came. Not thread-safe: the scheduler's lock
 * guards its lists. A job is in one list at a time, and borrowed by it. */
#ifndef SERVICE_JOB_LIST_H
#define SERVICE_JOB_LIST_H

#include "service/scheduler.h"

struct job_list {
    struct job *head, **tail;
    size_t length;
};

void job_list_init(struct job_list *list);
void job_list_push(struct job_list *list, struct job *job);

/* The oldest, or NULL. */
struct job *job_list_pop(struct job_list *list);

/* Moves every job for which leaves() is true to the end of `to`. */
void job_list_sift(struct job_list *list,
                   bool (*leaves)(struct job *job, void *context), void *context,
                   struct job_list *to);

#endif
