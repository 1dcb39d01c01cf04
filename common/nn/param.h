#ifndef COMMON_NN_PARAM_H
#define COMMON_NN_PARAM_H
/* One flat array holds every weight of a model, one more every gradient, and a table of
 * names and shapes says which part is which. The table is the only list of the
 * parameters: initialising, summing over ranks, Adam, publishing and checkpoints all
 * walk the flat arrays, and none of them names a layer. One owner thread. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/hash.h"
#include "common/base/status.h"

enum { PARAMS_MAX = 64 };

struct param {
    const char *name; // "torso.fc1.w"; static string, also the checkpoint's key
    int rows, cols;   // a bias has one row
    float *w;         // into params.weights
    float *g;         // into params.grads; NULL in an actor
};

struct params {
    struct param table[PARAMS_MAX];
    int count;
    size_t floats;  // in weights; each parameter starts on a 16-float boundary and
                    // the padding between stays 0
    float *weights; // (floats)
    float *grads;   // (floats) or NULL
};

/* Declare all, then params_alloc once; the struct param pointers stay valid. */
struct param *params_declare(struct params *p, const char *name, int rows, int cols);
void params_alloc(struct params *p, bool grads);
void params_release(struct params *p);
struct param *params_find(const struct params *p, const char *name); // NULL if none
size_t
params_count(const struct params *p); // numbers that are learnt, padding left out
void params_zero_grads(struct params *p);
/* Names and shapes, not values. */
uint64_t params_digest(const struct params *p);

#endif
