#include "common/nn/param.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

enum { PARAM_ALIGN = 16 }; // floats: one cache line, one 512-bit register

static size_t padded(const struct param *p)
{
    const size_t n = (size_t)p->rows * (size_t)p->cols;
    return (n + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
}

struct param *params_declare(struct params *p, const char *name, int rows, int cols)
{
    CHECK(p->count < PARAMS_MAX && p->weights == NULL && rows > 0 && cols > 0);
    CHECK(params_find(p, name) == NULL);
    struct param *d = &p->table[p->count++];
    *d = (struct param){.name = name, .rows = rows, .cols = cols};
    return d;
}

void params_alloc(struct params *p, bool grads)
{
    CHECK(p->weights == NULL);
    p->floats = 0;
    for (int i = 0; i < p->count; i++) {
        p->floats += padded(&p->table[i]);
    }
    p->weights = mem_new(p->floats, sizeof(float));
    p->grads = grads ? mem_new(p->floats, sizeof(float)) : NULL;

    size_t at = 0;
    for (int i = 0; i < p->count; i++) {
        p->table[i].w = p->weights + at;
        p->table[i].g = grads ? p->grads + at : NULL;
        at += padded(&p->table[i]);
    }
}

void params_release(struct params *p)
{
    mem_free(p->weights);
    mem_free(p->grads);
    *p = (struct params){0};
}

struct param *params_find(const struct params *p, const char *name)
{
    for (int i = 0; i < p->count; i++) {
        if (strcmp(p->table[i].name, name) == 0) {
            return (struct param *)&p->table[i];
        }
    }
    return NULL;
}

size_t params_count(const struct params *p)
{
    size_t n = 0;
    for (int i = 0; i < p->count; i++) {
        n += (size_t)p->table[i].rows * (size_t)p->table[i].cols;
    }
    return n;
}

void params_zero_grads(struct params *p)
{
    if (p->grads != NULL) {
        memset(p->grads, 0, p->floats * sizeof(float));
    }
}

uint64_t params_digest(const struct params *p)
{
    struct hash_state *s = hash_begin();
    for (int i = 0; i < p->count; i++) {
        const struct param *d = &p->table[i];
        const int32_t shape[2] = {d->rows, d->cols};
        hash_add(s, bytes_of(d->name, strlen(d->name) + 1)); // the 0 ends the name
        hash_add(s, bytes_of(shape, sizeof shape));
    }
    return hash_end(s).lo;
}
