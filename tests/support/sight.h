#ifndef TESTS_SUPPORT_SIGHT_H
#define TESTS_SUPPORT_SIGHT_H
/* Made-up network inputs: crops with few glyphs, stats, captions, previous actions and
 * starts, from one seed. One thread. */

#include "common/nn/policy.h"

enum { SIGHT_CAPTIONS = 5 };

struct sight {
    struct policy_input in;
    uint8_t *chars, *colors, *prev, *starts;
    int32_t *stats;
    uint32_t *caption;
    float *state0;            // (B,H)
    float *dlogits, *dvalues; // random coefficients of the objective
    struct bytes captions[SIGHT_CAPTIONS];
};

/* T*B rows, time-major; one row in seven is a start. glyphs = how many different. */
void sight_make(struct sight *s, int T, int B, int actions, int H, int glyphs,
                uint64_t seed);
void sight_release(struct sight *s);
/* The input of rows from `first` on. */
struct policy_input sight_from(const struct sight *s, int first);

#endif
