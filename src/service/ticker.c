#include "service/ticker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "service/clock.h"

struct ticker {
    pthread_mutex_t lock; /* guards `stopping`, and what tick() looks at */
    pthread_cond_t stop;
    bool stopping;
    pthread_t thread;
    int64_t period_ns;
    void (*tick)(void *context);
    void *context;
};

/* Returns at `at_ns`, or as soon as the ticker is stopped. Needs the lock. */
static void rest_until(struct ticker *t, int64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                          .tv_nsec = (long)(at_ns % NS_PER_S)};
    int result = 0;
    while (!t->stopping && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&t->stop, &t->lock, &at);
}

static void *run(void *argument)
{
    struct ticker *t = argument;
    int64_t next = clock_now_ns() + t->period_ns;

    pthread_mutex_lock(&t->lock);
    for (rest_until(t, next); !t->stopping; rest_until(t, next)) {
        t->tick(t->context);
        /* A tick that was late is not made up for by a burst of others. */
        int64_t now = clock_now_ns();
        next = next + t->period_ns > now ? next + t->period_ns : now + t->period_ns;
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void release(struct ticker *t)
{
    pthread_cond_destroy(&t->stop);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

struct ticker *ticker_new(int64_t period_ms, void (*tick)(void *context), void *context,
                          struct error *e)
{
    struct ticker *t = calloc(1, sizeof *t);
    if (!t) {
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for a ticker");
        return NULL;
    }
    t->period_ns = period_ms * NS_PER_MS;
    t->tick = tick;
    t->context = context;
    pthread_mutex_init(&t->lock, NULL);
    init_condition(&t->stop);

    int failed = pthread_create(&t->thread, NULL, run, t);
    if (failed) {
        error_set(e, ERROR_INTERNAL, "", "a thread cannot be started: %s",
                  strerror(failed));
        release(t);
        return NULL;
    }
    return t;
}

void ticker_lock(struct ticker *t)
{
    pthread_mutex_lock(&t->lock);
}

void ticker_unlock(struct ticker *t)
{
    pthread_mutex_unlock(&t->lock);
}

void ticker_delete(struct ticker *t)
{
    if (!t)
        return;

    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_signal(&t->stop);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    release(t);
}
