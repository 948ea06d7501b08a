#include "service/job_list.h"

#include <assert.h>

void job_list_init(struct job_list *list)
{
    *list = (struct job_list){.head = NULL};
    list->tail = &list->head;
}

void job_list_push(struct job_list *list, struct job *job)
{
    job->link = NULL;
    *list->tail = job;
    list->tail = &job->link;
    list->length++;
}

struct job *job_list_pop(struct job_list *list)
{
    struct job *job = list->head;
    if (!job)
        return NULL;

    list->head = job->link;
    if (!list->head)
        list->tail = &list->head;
    list->length--;
    return job;
}

void job_list_sift(struct job_list *list,
                   bool (*leaves)(struct job *job, void *context), void *context,
                   struct job_list *to)
{
    /* Every job is taken out once; those that stay come back in the same order. */
    for (size_t left = list->length; left > 0; left--) {
        struct job *job = job_list_pop(list);
        assert(job); /* as many as the length says */
        job_list_push(leaves(job, context) ? to : list, job);
    }
}
