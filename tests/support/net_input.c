#include "tests/support/net_input.h"

#include "common/base/mem.h"

static const char *const TEXTS[NET_INPUT_CAPTIONS] = {
    "", "You see a staircase leading down.", "The newt bites!", "There is a key here.",
    "You unlock the vault with your iron key."};

void net_input_make(struct net_input *s, int T, int B, int actions, int H, int glyphs,
                    uint64_t seed)
{
    const size_t N = (size_t)T * (size_t)B;
    struct rng rng;
    rng_init(&rng, seed);
    s->chars = mem_new(N, POLICY_CELLS);
    s->colors = mem_new(N, POLICY_CELLS);
    s->prev = mem_new(N, 1);
    s->starts = mem_new(N, 1);
    s->stats = mem_new(N * POLICY_STATS, sizeof(int32_t));
    s->caption = mem_new(N, sizeof(uint32_t));
    s->state0 = mem_new((size_t)B * (size_t)H, sizeof(float));
    s->dlogits = mem_new(N * (size_t)actions, sizeof(float));
    s->dvalues = mem_new(N, sizeof(float));
    for (size_t i = 0; i < N * POLICY_CELLS; i++) {
        const uint32_t g = rng_below(&rng, (uint32_t)glyphs) * 2654435761u;
        s->chars[i] = (uint8_t)(g >> 8);
        s->colors[i] = (uint8_t)(g >> 16 & 31u);
    }
    for (size_t i = 0; i < N * POLICY_STATS; i++) {
        s->stats[i] = (int32_t)rng_below(&rng, 90);
    }
    for (size_t n = 0; n < N; n++) {
        const uint32_t a = rng_below(&rng, (uint32_t)actions + 1);
        s->prev[n] = a == (uint32_t)actions ? POLICY_NO_ACTION : (uint8_t)a;
        s->starts[n] = rng_below(&rng, 7) == 0;
        s->caption[n] = rng_below(&rng, NET_INPUT_CAPTIONS);
        s->dvalues[n] = rng_normal(&rng);
    }
    for (size_t i = 0; i < N * (size_t)actions; i++) {
        s->dlogits[i] = rng_normal(&rng);
    }
    for (size_t i = 0; i < (size_t)B * (size_t)H; i++) {
        s->state0[i] = 0.5f * rng_normal(&rng);
    }
    for (int u = 0; u < NET_INPUT_CAPTIONS; u++) {
        s->captions[u] = bytes_text(TEXTS[u]);
    }
    s->in = net_input_from(s, 0);
}

struct policy_input net_input_from(const struct net_input *s, int first)
{
    const size_t n = (size_t)first;
    return (struct policy_input){.chars = s->chars + n * POLICY_CELLS,
                                 .colors = s->colors + n * POLICY_CELLS,
                                 .stats = s->stats + n * POLICY_STATS,
                                 .prev_action = s->prev + n,
                                 .caption = s->caption + n,
                                 .captions = s->captions,
                                 .U = NET_INPUT_CAPTIONS};
}

void net_input_release(struct net_input *s)
{
    void *all[] = {s->chars,   s->colors, s->prev,    s->starts, s->stats,
                   s->caption, s->state0, s->dlogits, s->dvalues};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mem_free(all[i]);
    }
}
