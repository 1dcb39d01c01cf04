#include "learner/reward/peers.h"

enum status peers_same_digest(const struct reward_peers *p, struct hash128 digest,
                              bool *same)
{
    // Whole numbers below 2^32: their sums are exact.
    const double mine[4] = {(double)(digest.lo >> 32), (double)(uint32_t)digest.lo,
                            (double)(digest.hi >> 32), (double)(uint32_t)digest.hi};
    double all[4] = {mine[0], mine[1], mine[2], mine[3]};

    *same = true;
    if (p->count <= 1) {
        return ST_OK;
    }
    TRY(p->agree(p->ctx, all, 4));
    for (int i = 0; i < 4; i++) {
        *same = *same && all[i] == mine[i] * p->count;
    }
    return ST_OK;
}
