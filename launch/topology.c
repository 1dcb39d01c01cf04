#include "launch/topology.h"

#include <sched.h>
#include <stdio.h>

enum { ENVS_LEAST = 8 }; // a smaller inference batch wastes most of its time

int topology_cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* One trained step costs the learner about three times what it costs an actor, so three
 * cores in four learn; the actors are niced below and take what is left over. */
static int64_t choose_ranks(const struct topology *t)
{
    int64_t ranks = t->cores <= 2 ? 1 : (3 * t->cores) / 4;

    if (t->actors > 0 && ranks > t->actors) {
        ranks = t->actors;
    }
    // A rank's share of a batch must be worth a matrix product.
    const int64_t most = t->batch / (4 * t->segment_steps);
    ranks = ranks > most ? most : ranks;
    // Equal shares in whole segments.
    while (ranks > 1 && t->batch % (ranks * t->segment_steps) != 0) {
        ranks--;
    }
    return ranks < 1 ? 1 : ranks;
}

static int64_t choose_actors(const struct topology *t)
{
    // Beside games that are processes one actor acts while the other's games play: on two
    // cores NetHack has a quarter more steps with two actors than with one, crypt as many.
    const int64_t few = t->games_apart ? 2 : 1;
    int64_t actors = t->cores <= 2 ? few : t->cores - t->ranks;

    actors = actors < t->ranks ? t->ranks : actors;
    if (t->envs == 0) {
        const int64_t most = t->envs_total / ENVS_LEAST;
        actors = actors > most && most >= t->ranks ? most : actors;
    }
    return actors;
}

enum status topology_choose(struct topology *t)
{
    if (t->ranks == 0) {
        t->ranks = choose_ranks(t);
    }
    if (t->actors == 0) {
        t->actors = choose_actors(t);
    }
    if (t->envs == 0) {
        t->envs = (t->envs_total + t->actors - 1) / t->actors;
    }
    if (t->actors < t->ranks) {
        fprintf(stderr,
                "minos train: --actors=%lld is fewer than --ranks=%lld; a rank without "
                "an actor has nothing to learn from\n",
                (long long)t->actors, (long long)t->ranks);
        return ST_INVALID;
    }
    if (t->batch % (t->ranks * t->segment_steps) != 0) {
        fprintf(stderr,
                "minos train: --batch=%lld is not a multiple of --ranks=%lld times "
                "--segment-steps=%lld\n",
                (long long)t->batch, (long long)t->ranks, (long long)t->segment_steps);
        return ST_INVALID;
    }
    return ST_OK;
}

double topology_windows(const struct topology *t)
{
    const double segments = 2.0 * (double)t->actors * (double)t->envs;

    return segments * (double)t->segment_steps / (double)t->batch;
}
