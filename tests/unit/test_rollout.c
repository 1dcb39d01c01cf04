/* Segments of the five-step chain and of the bandit, row by row: what a policy saw, did
 * and caused, over episode ends inside a segment. */
#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "actor/envs/chain.h"
#include "actor/rollout.h"
#include "common/base/mem.h"
#include "common/nn/softmax.h"

enum { E = 4, T = 16 };

struct world {
    struct vecenv *games;
    struct policy *policy;
    struct rollout *rollout;
    int A, H;
};

static void world_open(struct world *w, const char *task, const char *overrides)
{
    const struct env_kind *kind = NULL;
    struct rng rng;

    assert_int_equal(env_find(task, &kind), ST_OK);
    const struct vecenv_plan plan = {
        .kind = kind,
        .options = {task, overrides, "", false},
        .envs = E,
        .stream = {.seed = 7, .role = RNG_ENV, .index = 1, .incarnation = 1},
        .count_key = COUNT_DIGITS_MASKED,
    };
    assert_int_equal(vecenv_open(&plan, &w->games), ST_OK);
    w->A = vecenv_spec(w->games)->actions;
    const struct policy_shape shape = {"cells", w->A, 1};
    assert_int_equal(policy_new(&shape, E * T, E, true, &w->policy), ST_OK);
    rng_init(&rng, 3);
    policy_init_weights(w->policy, &rng);
    policy_weights_changed(w->policy);
    w->H = policy_state_floats(w->policy);
    const struct rollout_plan rollout = {w->games, w->policy, T, plan.stream};
    w->rollout = rollout_new(&rollout);
    rollout_set_version(w->rollout, (struct version){1, 5},
                        &(struct rollout_moments){2.0, 3.0});
}

static void world_close(struct world *w)
{
    rollout_free(w->rollout);
    policy_free(w->policy);
    vecenv_close(w->games);
}

static void fill(struct world *w)
{
    enum status st = ST_OK;

    rollout_begin(w->rollout);
    for (int t = 0; t < T; t++) {
        assert_int_equal(st, ST_OK);
        st = rollout_step(w->rollout);
    }
    assert_int_equal(st, ST_FULL);
}

static int text_is(const struct segment_fill *s, int index, const char *text)
{
    return bytes_equal(s->text[index].text, bytes_text(text));
}

static void the_terminal_caption_belongs_to_the_step_that_caused_it(void **state)
{
    struct world w;
    struct segment_fill s;
    int ends = 0;

    (void)state;
    world_open(&w, "chain", "length=1,limit=9");
    fill(&w);
    for (int e = 0; e < E; e++) {
        rollout_segment(w.rollout, e, &s);
        for (int t = 0; t < T; t++) {
            const int up = s.action[t] == CHAIN_UP;
            assert_int_equal(s.flags[t] == SEGMENT_TERMINATED, up);
            assert_true(text_is(&s, s.caption[t],
                                up ? "You reach the top of the ladder."
                                   : "You slide back to the floor."));
            assert_float_equal(s.reward[t], up ? 50 : 0, 0);
            assert_int_equal(s.text[s.caption[t]].truth, up);
            ends += up;
        }
        for (int i = 0; i < s.episodes; i++) {
            const struct segment_episode *ep = &s.episode[i];
            assert_int_equal(s.flags[ep->row] != 0, 1);
            assert_true(
                text_is(&s, ep->next_caption, "You stand at the foot of a ladder."));
        }
    }
    assert_true(ends > 5);
    world_close(&w);
}

static void success_is_counted_on_the_episode_that_had_it(void **state)
{
    struct world w;
    struct segment_fill s;
    int successes = 0, others = 0;

    (void)state;
    world_open(&w, "chain", "length=2,limit=3");
    fill(&w);
    for (int e = 0; e < E; e++) {
        rollout_segment(w.rollout, e, &s);
        int begin = 0;
        for (int i = 0; i < s.episodes; i++) {
            const struct segment_episode *ep = &s.episode[i];
            float sum = 0;
            for (int t = begin; t <= ep->row; t++) {
                sum += s.reward[t];
            }
            assert_int_equal(ep->success, s.flags[ep->row] == SEGMENT_TERMINATED);
            assert_int_equal(ep->length, ep->row - begin + 1);
            assert_float_equal(ep->episode_return, sum, 0);
            assert_true(
                bytes_equal(ep->cause, bytes_text(ep->success ? "success" : "limit")));
            successes += ep->success;
            others += !ep->success;
            begin = ep->row + 1;
        }
    }
    assert_true(successes > 0 && others > 0);
    world_close(&w);
}

static void captions_are_counted_anew_in_each_episode(void **state)
{
    struct world w;
    struct segment_fill s;

    (void)state;
    world_open(&w, "chain", "length=9,limit=5");
    fill(&w);
    for (int e = 0; e < E; e++) {
        rollout_segment(w.rollout, e, &s);
        int seen[2 * T + 1] = {0};
        for (int t = 0; t < T; t++) {
            assert_int_equal(s.count[t], ++seen[s.caption[t]]);
            if (s.flags[t] != 0) {
                memset(seen, 0, sizeof(seen));
            }
        }
    }
    world_close(&w);
}

static void numbers_in_captions_do_not_make_them_new(void **state)
{
    uint8_t out[ENV_CAPTION_MAX + 1];
    const struct bytes a =
        vecenv_mask_digits(bytes_text("12 gold pieces, 3 left."), out);

    (void)state;
    assert_true(bytes_equal(a, bytes_text("# gold pieces, # left.")));
    // The same games with both keys: heaps of gold hold different amounts.
    struct vecenv_plan plan = {.options = {"crypt-free", "", "", false},
                               .stream = {.seed = 7, .role = RNG_ENV},
                               .envs = 1};
    struct vecenv *masked, *exact;
    struct vecenv_step m, x;
    struct rng rng;
    int more = 0;
    assert_int_equal(env_find("crypt-free", &plan.kind), ST_OK);
    plan.count_key = COUNT_EXACT;
    assert_int_equal(vecenv_open(&plan, &exact), ST_OK);
    plan.count_key = COUNT_DIGITS_MASKED;
    assert_int_equal(vecenv_open(&plan, &masked), ST_OK);
    rng_init(&rng, 5);
    for (int i = 0; i < 100000; i++) {
        const uint8_t action =
            (uint8_t)rng_below(&rng, (uint32_t)vecenv_spec(exact)->actions);
        vecenv_step(exact, &action, &x);
        vecenv_step(masked, &action, &m);
        assert_true(bytes_equal(x.caption, m.caption) && m.count >= x.count);
        more += m.count > x.count;
        if (x.result.terminated || x.result.truncated) {
            assert_int_equal(vecenv_reset(exact, 0), ST_OK);
            assert_int_equal(vecenv_reset(masked, 0), ST_OK);
        }
    }
    assert_true(more > 0);
    vecenv_close(exact);
    vecenv_close(masked);
}

/* What the learner rebuilds from a segment: rows, captions seen, previous actions,
 * starts. */
struct rebuilt {
    uint8_t chars[T * E * SEGMENT_CELLS], colors[T * E * SEGMENT_CELLS];
    int32_t stats[T * E * SEGMENT_STATS];
    uint8_t prev[T * E], starts[T * E];
    uint32_t caption[T * E];
    struct bytes captions[E * (2 * T + 1)];
    float *state;
    int U;
};

static void rebuild(struct world *w, struct rebuilt *b)
{
    b->U = 0;
    for (int e = 0; e < E; e++) {
        struct segment_fill s;
        rollout_segment(w->rollout, e, &s);
        int seen = s.first_caption, prev = s.first_action, start = s.first_starts;
        int episode = 0;
        for (int t = 0; t < T; t++) {
            const size_t row = (size_t)(t * E + e);
            memcpy(b->chars + row * SEGMENT_CELLS, s.chars + t * SEGMENT_CELLS,
                   SEGMENT_CELLS);
            memcpy(b->colors + row * SEGMENT_CELLS, s.colors + t * SEGMENT_CELLS,
                   SEGMENT_CELLS);
            memcpy(b->stats + row * SEGMENT_STATS, s.stats + t * SEGMENT_STATS,
                   sizeof(int32_t) * SEGMENT_STATS);
            b->prev[row] = (uint8_t)prev;
            b->starts[row] = (uint8_t)start;
            b->caption[row] = (uint32_t)(b->U + seen);
            start = s.flags[t] != 0;
            seen = start ? s.episode[episode++].next_caption : s.caption[t];
            prev = start ? SEGMENT_NO_ACTION : s.action[t];
        }
        for (int i = 0; i < s.texts; i++) {
            b->captions[b->U++] = s.text[i].text;
        }
        memcpy(b->state + e * w->H, s.state, sizeof(float) * (size_t)w->H);
    }
}

/* With no lag and the same weights the ratio of the policies is 1 on EVERY row: the first
 * of a segment, after a reset, after a truncation. */
static void the_learner_sees_what_the_actor_saw(void **state)
{
    static struct rebuilt b;
    struct world w;
    const float *logits, *values;

    (void)state;
    world_open(&w, "chain", "length=2,limit=3");
    b.state = mem_new((size_t)(E * w.H), sizeof(float));
    for (int round = 0; round < 3; round++) {
        fill(&w);
        rebuild(&w, &b);
        const struct policy_input in = {b.chars,   b.colors,   b.stats, b.prev,
                                        b.caption, b.captions, b.U};
        policy_forward_seq(w.policy, &in, T, E, b.state, b.starts, &logits, &values);
        for (int e = 0; e < E; e++) {
            struct segment_fill s;
            rollout_segment(w.rollout, e, &s);
            for (int t = 0; t < T; t++) {
                float logp[ENV_ACTIONS_MAX];
                softmax_log(logp, logits + (t * E + e) * w.A, 1, w.A);
                assert_float_equal(expf(logp[s.action[t]] - s.logp[t]), 1, 1e-4f);
                assert_float_equal(values[t * E + e] * 3 + 2, s.value[t], 1e-4f);
            }
        }
    }
    mem_free(b.state);
    world_close(&w);
}

static void the_value_after_the_last_row_is_the_next_segments_first(void **state)
{
    struct world w;
    float bootstrap[E];
    struct segment_fill s;

    (void)state;
    world_open(&w, "bandit", "");
    fill(&w);
    for (int e = 0; e < E; e++) {
        rollout_segment(w.rollout, e, &s);
        bootstrap[e] = s.bootstrap;
    }
    fill(&w);
    for (int e = 0; e < E; e++) {
        rollout_segment(w.rollout, e, &s);
        assert_float_equal(s.value[0], bootstrap[e], 1e-5f);
    }
    world_close(&w);
}

static void the_final_value_of_a_cut_episode_is_of_its_last_observation(void **state)
{
    struct world w, longer;
    struct segment_fill s, uncut;
    int cut = 0;

    (void)state;
    // Where the limit comes later the same games go on, and what they see next, with the
    // same state and the action before, is the observation that was final here.
    world_open(&w, "chain", "length=9,limit=4");
    world_open(&longer, "chain", "length=9,limit=8");
    fill(&w);
    fill(&longer);
    for (int e = 0; e < E; e++) {
        rollout_segment(w.rollout, e, &s);
        rollout_segment(longer.rollout, e, &uncut);
        assert_memory_equal(s.action, uncut.action, 4);
        assert_float_equal(s.episode[0].final_value, uncut.value[4], 1e-5);
        assert_float_not_equal(s.episode[0].final_value, s.value[4], 1e-5); // a reset's
        for (int i = 0; i < s.episodes; i++) {
            assert_int_equal(s.flags[s.episode[i].row], SEGMENT_TRUNCATED);
            cut++;
        }
    }
    assert_int_equal(cut, E * T / 4);
    world_close(&w);
    world_close(&longer);
}

static void a_second_run_plays_the_same(void **state)
{
    uint8_t first[T];
    struct segment_fill s;
    struct world w;

    (void)state;
    for (int run = 0; run < 2; run++) {
        world_open(&w, "bandit", "");
        fill(&w);
        rollout_segment(w.rollout, 2, &s);
        if (run == 0) {
            memcpy(first, s.action, T);
        } else {
            assert_memory_equal(first, s.action, T);
        }
        world_close(&w);
    }
}

static void nothing_is_allocated_while_playing(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, "chain", "limit=7");
    fill(&w);
    const uint64_t before = mem_allocations();
    for (int i = 0; i < 60; i++) {
        fill(&w);
    }
    assert_int_equal(mem_allocations(), before);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_terminal_caption_belongs_to_the_step_that_caused_it),
        cmocka_unit_test(success_is_counted_on_the_episode_that_had_it),
        cmocka_unit_test(captions_are_counted_anew_in_each_episode),
        cmocka_unit_test(numbers_in_captions_do_not_make_them_new),
        cmocka_unit_test(the_learner_sees_what_the_actor_saw),
        cmocka_unit_test(the_value_after_the_last_row_is_the_next_segments_first),
        cmocka_unit_test(the_final_value_of_a_cut_episode_is_of_its_last_observation),
        cmocka_unit_test(a_second_run_plays_the_same),
        cmocka_unit_test(nothing_is_allocated_while_playing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
