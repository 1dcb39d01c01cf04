#ifndef COMMON_NN_SCALING_H
#define COMMON_NN_SCALING_H
/* How the 27 status numbers (NLE's blstats order) enter a network: each times a fixed
 * scale, clipped to +-5, with the reference's scales. Score, depth, dungeon number and
 * level, hit dice, strength's first form and alignment are hidden (scale 0), as there. */

#include <stdint.h>

enum { SCALING_CONDITION = 25, SCALING_BITS = 32 };

/* out (27), stats (27) */
void scaling_stats(float *out, const int32_t *stats);
/* The condition mask as single inputs 0 or 1, lowest bit first: bit 31 is the sign bit,
 * so that as a number it would drown the others. */
void scaling_condition(float out[SCALING_BITS], int32_t condition);

#endif
