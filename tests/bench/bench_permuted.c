/* For the study's control with permuted labels: values of --sim-seed and --sim-share with
 * which the share of EMISSIONS that minos-judge --judge=sim --sim=permuted labels helpful
 * is the truth's, over random play. A few captions make most of what is said, so that a
 * share of the texts is not a share of the emissions, and with many seeds no threshold
 * comes near. Prints the first seeds that come within a twentieth.
 *
 *   bench_permuted [STEPS [SEEDS]]     one JSON line per task and seed */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "judge/backends/sim.h"

enum { SLOTS = 1 << 18, STEPS = 2000000, SEEDS_MOST = 1000 };
#define NEAR 0.05

struct caption {
    struct judge_caption text;
    int64_t said, true_said;
    double drawn;
};

static struct caption *table; // (SLOTS), open addressing
static int64_t said, true_said;

static void note(const struct env_obs *obs, bool truth)
{
    struct judge_caption c = {.len = (uint8_t)obs->caption_len};

    memcpy(c.text, obs->caption, obs->caption_len);
    if (sim_left_out(&c)) {
        return;
    }
    uint64_t slot = hash_64(bytes_of(c.text, c.len)) % SLOTS;
    while (table[slot].said > 0 &&
           (table[slot].text.len != c.len ||
            memcmp(table[slot].text.text, c.text, c.len) != 0)) {
        slot = (slot + 1) % SLOTS;
    }
    table[slot].text = c;
    table[slot].said++;
    table[slot].true_said += truth;
    said++;
    true_said += truth;
}

static void play(const char *task, int64_t steps)
{
    const struct env_options options = {task, "", "", false};
    struct rng_stream stream = {.seed = 1, .role = RNG_ENV};
    const struct env_kind *kind;
    struct env_result result;
    struct env *e;
    struct rng rng;
    int strength;

    CHECK(env_find(task, &kind) == ST_OK && kind->open(&options, &e) == ST_OK);
    rng_init(&rng, 1);
    memset(table, 0, SLOTS * sizeof(*table));
    said = true_said = 0;
    for (int64_t i = 0, over = 1; i < steps; i++) {
        if (over) {
            stream.episode++;
            CHECK(kind->reset(e, &stream) == ST_OK);
        }
        kind->send(e, (int)rng_below(&rng, (uint32_t)kind->spec(e)->actions));
        kind->receive(e, &result);
        over = result.terminated || result.truncated;
        note(kind->obs(e), kind->truth(e, kind->obs(e)->event, &strength) != 0);
    }
    kind->close(e);
}

static int by_draw(const void *a, const void *b)
{
    const double x = (*(const struct caption *const *)a)->drawn;
    const double y = (*(const struct caption *const *)b)->drawn;

    return (x > y) - (x < y);
}

/* False, and nothing printed, when no threshold comes near with this seed. */
static bool report(const char *task, uint64_t seed)
{
    static const struct caption *sorted[SLOTS];
    const double truth = (double)true_said / (double)said;
    double share = 0, best = 0, best_share = 0;
    int count = 0;

    for (int i = 0; i < SLOTS; i++) {
        if (table[i].said > 0) {
            table[i].drawn = sim_draw(&table[i].text, seed);
            sorted[count++] = &table[i];
        }
    }
    qsort(sorted, (size_t)count, sizeof(sorted[0]), by_draw);
    for (int i = 0; i + 1 < count; i++) {
        share += (double)sorted[i]->said / (double)said;
        if (fabs(share - truth) < fabs(best_share - truth)) {
            best_share = share;
            best = (sorted[i]->drawn + sorted[i + 1]->drawn) / 2;
        }
    }
    if (fabs(best_share - truth) > NEAR * truth) {
        return false;
    }
    printf("{\"bench\": \"permuted\", \"env\": \"%s\", \"captions\": %d, "
           "\"truth_share\": %.5f, \"permuted_share\": %.5f, \"sim_seed\": %llu, "
           "\"sim_share\": %.5f}\n",
           task, count, truth, best_share, (unsigned long long)seed, best);
    return true;
}

int main(int argc, char **argv)
{
    static const char *const tasks[] = {"crypt-stairs2", "crypt-stairs", "crypt-vault",
                                        "crypt-oracle"};
    const int64_t steps = argc > 1 ? strtoll(argv[1], NULL, 10) : STEPS;
    const long wanted = argc > 2 ? strtol(argv[2], NULL, 10) : 3;

    table = mem_new(SLOTS, sizeof(*table));
    for (size_t t = 0; t < sizeof(tasks) / sizeof(tasks[0]); t++) {
        long found = 0;
        play(tasks[t], steps);
        for (uint64_t seed = 1; seed <= SEEDS_MOST && found < wanted; seed++) {
            found += report(tasks[t], seed);
        }
    }
    mem_free(table);
    return 0;
}
