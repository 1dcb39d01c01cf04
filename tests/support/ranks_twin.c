#include "tests/support/ranks_twin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "learner/train/ranks_impl.h"

struct ranks_twin {
    int count;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int turn;                     // which rank runs
    int left;                     // ranks whose body has not returned
    const void *given[RANKS_MAX]; // what each rank brought to the collective at work
    struct ranks rank[RANKS_MAX];
};

static struct ranks_twin *twin_of(struct ranks *r)
{
    return r->impl;
}

/* With the lock held. */
static void wait_for_turn(struct ranks_twin *t, int rank)
{
    while (t->turn != rank) {
        pthread_cond_wait(&t->moved, &t->lock);
    }
}

static void pass_on(struct ranks_twin *t)
{
    t->turn = (t->turn + 1) % t->count;
    pthread_cond_broadcast(&t->moved);
}

/* When the turn comes back, all others have been here too. */
static void gate(const struct ranks *r)
{
    struct ranks_twin *t = twin_of((struct ranks *)r);

    pthread_mutex_lock(&t->lock);
    CHECK(t->left == t->count); // every rank calls the same collectives
    pass_on(t);
    wait_for_turn(t, r->index);
    pthread_mutex_unlock(&t->lock);
}

static enum status twin_arrive(struct ranks *r)
{
    gate(r);
    return ST_OK;
}

/* Shows `mine` to all; what the others brought may be read until twin_leave(). */
static void twin_enter(struct ranks *r, const void *mine)
{
    twin_of(r)->given[r->index] = mine;
    gate(r);
}

static void twin_leave(struct ranks *r)
{
    gate(r);
}

static enum status twin_sum_doubles(struct ranks *r, double *v, int n)
{
    double *sum = mem_new((size_t)n, sizeof(double));

    twin_enter(r, v);
    for (int i = 0; i < r->count; i++) {
        const double *theirs = twin_of(r)->given[i];
        for (int k = 0; k < n; k++) {
            sum[k] += theirs[k];
        }
    }
    twin_leave(r);
    memcpy(v, sum, sizeof(double) * (size_t)n);
    mem_free(sum);
    return ST_OK;
}

static enum status twin_sum_floats(struct ranks *r, float *v, size_t n)
{
    float *sum = mem_new(n, sizeof(float));

    twin_enter(r, v);
    for (int i = 0; i < r->count; i++) {
        const float *theirs = twin_of(r)->given[i];
        for (size_t k = 0; k < n; k++) {
            sum[k] += theirs[k];
        }
    }
    twin_leave(r);
    memcpy(v, sum, sizeof(float) * n);
    mem_free(sum);
    return ST_OK;
}

static enum status twin_from_first(struct ranks *r, void *data, size_t bytes)
{
    twin_enter(r, data);
    if (r->index != 0) {
        memcpy(data, twin_of(r)->given[0], bytes);
    }
    twin_leave(r);
    return ST_OK;
}

static enum status twin_gather(struct ranks *r, struct bytes mine, uint8_t *out,
                               const size_t *lens)
{
    twin_enter(r, mine.data);
    for (int i = 0; i < r->count; i++) {
        if (lens[i] > 0) {
            memcpy(out, twin_of(r)->given[i], lens[i]);
        }
        out += lens[i];
    }
    twin_leave(r);
    return ST_OK;
}

static void twin_abort(struct ranks *r, int exit_code)
{
    (void)r;
    exit(exit_code);
}

static void twin_close(struct ranks *r)
{
    (void)r;
}

static const struct ranks_door twin_door = {.arrive = twin_arrive,
                                            .sum_doubles = twin_sum_doubles,
                                            .sum_floats = twin_sum_floats,
                                            .from_first = twin_from_first,
                                            .gather = twin_gather,
                                            .abort = twin_abort,
                                            .close = twin_close};

struct ranks_twin *ranks_twin_new(int count)
{
    struct ranks_twin *t = mem_new(1, sizeof(*t));

    CHECK(count >= 1 && count <= RANKS_MAX);
    t->count = count;
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0 &&
          pthread_cond_init(&t->moved, NULL) == 0);
    for (int i = 0; i < count; i++) {
        t->rank[i] =
            (struct ranks){.door = &twin_door, .index = i, .count = count, .impl = t};
        t->rank[i].arrivals = mem_new((size_t)count, sizeof(double));
    }
    return t;
}

void ranks_twin_free(struct ranks_twin *t)
{
    for (int i = 0; i < t->count; i++) {
        mem_free(t->rank[i].arrivals);
    }
    pthread_cond_destroy(&t->moved);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

struct ranks *ranks_twin_rank(struct ranks_twin *t, int i)
{
    return &t->rank[i];
}

struct job {
    struct ranks_twin *twin;
    void (*body)(void *ctx, int rank);
    void *ctx;
    int rank;
};

static void *one(void *job)
{
    const struct job *j = job;
    struct ranks_twin *t = j->twin;

    pthread_mutex_lock(&t->lock);
    wait_for_turn(t, j->rank);
    pthread_mutex_unlock(&t->lock);
    j->body(j->ctx, j->rank);
    pthread_mutex_lock(&t->lock);
    t->left--;
    pass_on(t);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

void ranks_twin_run(struct ranks_twin *t, void (*body)(void *ctx, int rank), void *ctx)
{
    pthread_t threads[RANKS_MAX];
    struct job jobs[RANKS_MAX];

    t->turn = 0;
    t->left = t->count;
    for (int i = 0; i < t->count; i++) {
        jobs[i] = (struct job){t, body, ctx, i};
        CHECK(pthread_create(&threads[i], NULL, one, &jobs[i]) == 0);
    }
    for (int i = 0; i < t->count; i++) {
        pthread_join(threads[i], NULL);
    }
}
