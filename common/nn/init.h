#ifndef COMMON_NN_INIT_H
#define COMMON_NN_INIT_H
/* First values of weights. The same stream gives the same weights on every machine up
 * to rounding. */

#include "common/base/rng.h"
#include "common/nn/param.h"

/* gain * Q with orthonormal rows (or columns, when there are more rows), Haar
 * distributed: Gram-Schmidt over normal draws, in double (Saxe et al. 2014). */
void init_orthogonal(const struct param *p, double gain, struct rng *rng);
void init_uniform(const struct param *p, double bound,
                  struct rng *rng); // [-bound,bound)
void init_normal(const struct param *p, double deviation, struct rng *rng);
void init_zero(const struct param *p);

#endif
