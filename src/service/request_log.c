#include "service/request_log.h"

#include <pthread.h>
#include <stdlib.h>

struct request_log {
    pthread_mutex_t lock; /* guards `added` and the records */
    size_t capacity;
    size_t added; /* ever; record n is kept in slot n % capacity */
    struct request_record records[];
};

struct request_log *request_log_new(size_t capacity)
{
    if (capacity == 0 || capacity > (SIZE_MAX - sizeof(struct request_log)) /
                                        sizeof(struct request_record))
        return NULL;

    /* calloc: pages of records that never came are never touched. */
    struct request_log *log =
        calloc(1, sizeof *log + capacity * sizeof(struct request_record));
    if (!log)
        return NULL;
    pthread_mutex_init(&log->lock, NULL);
    log->capacity = capacity;
    return log;
}

void request_log_delete(struct request_log *log)
{
    if (!log)
        return;
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void request_log_add(struct request_log *log, const struct request_record *record)
{
    pthread_mutex_lock(&log->lock);
    log->records[log->added % log->capacity] = *record;
    log->added++;
    pthread_mutex_unlock(&log->lock);
}

size_t request_log_read(struct request_log *log, struct request_record *out,
                        size_t most)
{
    pthread_mutex_lock(&log->lock);
    size_t kept = log->added < log->capacity ? log->added : log->capacity;
    size_t count = most < kept ? most : kept;
    for (size_t i = 0; i < count; i++)
        out[i] = log->records[(log->added - 1 - i) % log->capacity];
    pthread_mutex_unlock(&log->lock);
    return count;
}
