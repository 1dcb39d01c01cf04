#ifndef TESTS_SUPPORT_NET_INPUT_H
#define TESTS_SUPPORT_NET_INPUT_H
/* Made-up network inputs: crops with few glyphs, stats, captions, previous actions and
 * starts, from one seed. One thread. */

#include "common/nn/policy.h"

enum { NET_INPUT_CAPTIONS = 5 };

struct net_input {
    struct policy_input in;
    uint8_t *chars, *colors, *prev, *starts;
    int32_t *stats;
    uint32_t *caption;
    float *state0;            // (B,H)
    float *dlogits, *dvalues; // random coefficients of the objective
    struct bytes captions[NET_INPUT_CAPTIONS];
};

/* T*B rows, time-major; one row in seven is a start. glyphs = how many different. */
void net_input_make(struct net_input *s, int T, int B, int actions, int H, int glyphs,
                    uint64_t seed);
void net_input_release(struct net_input *s);
/* The input of rows from `first` on. */
struct policy_input net_input_from(const struct net_input *s, int first);

#endif
