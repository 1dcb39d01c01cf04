/* The networks' numbers stay what they were: outputs and gradients from a fixed seed, a
 * caption's rows, the digests that decide whether weights may be exchanged. The values
 * are in tests/golden/nn.txt; with MINOS_GOLDEN_WRITE=1 this program writes them anew,
 * which a change of the networks must say. Real numbers may differ by 1e-4 (other
 * processors sum in another order), all else not at all. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/nn/ngram.h"
#include "common/nn/tilefont.h"
#include "tests/support/harness.h"
#include "tests/support/net_input.h"

static const char *const CAPTIONS[] = {"You see a staircase leading down.",
                                       "The newt bites!", "#"};

static void add_captions(struct text_buf *out)
{
    for (size_t c = 0; c < sizeof CAPTIONS / sizeof CAPTIONS[0]; c++) {
        uint16_t rows[NGRAM_MOST];
        const int n = ngram_rows(rows, bytes_text(CAPTIONS[c]));
        text_buf_add(
            out, "caption %zu rows %d digest %016llx\n", c, n,
            (unsigned long long)hash_64(bytes_of(rows, (size_t)n * sizeof rows[0])));
    }
}

static void add_font(struct text_buf *out)
{
    static float all[256][TILEFONT_PIXELS];
    for (int i = 0; i < 256; i++) {
        tilefont_coverage(all[i], (uint8_t)i);
    }
    text_buf_add(out, "font digest %016llx\n",
                 (unsigned long long)hash_64(bytes_of(all, sizeof all)));
}

static void add_network(struct text_buf *out, const char *net, int actions)
{
    enum { T = 3, B = 2 };
    struct policy_shape shape = {.actions = actions, .value_heads = 1};
    struct policy *p;
    struct net_input s;
    struct rng rng;
    const float *logits, *values;
    strcpy(shape.net, net);
    assert_int_equal(policy_new(&shape, T * B, B, true, &p), ST_OK);
    rng_init(&rng, 1);
    policy_init_weights(p, &rng);
    net_input_make(&s, T, B, actions, policy_state_floats(p), 30, 5);
    policy_forward_seq(p, &s.in, T, B, s.state0, s.starts, &logits, &values);
    text_buf_add(out, "%s digest %016llx\n", net, (unsigned long long)policy_digest(p));
    for (int n = 0; n < T * B; n++) {
        text_buf_add(out, "%s row %d value %.6f 100 logits %.6f %.6f %.6f\n", net, n,
                     (double)values[n], 100 * (double)logits[n * actions],
                     100 * (double)logits[n * actions + 1],
                     100 * (double)logits[n * actions + actions - 1]);
    }
    policy_backward_seq(p, s.dlogits, s.dvalues);
    const struct params *ps = policy_params(p);
    for (int i = 0; i < ps->count; i++) {
        const struct param *d = &ps->table[i];
        double weights = 0, grads = 0;
        for (int j = 0; j < d->rows * d->cols; j++) {
            weights += (double)d->w[j] * (double)d->w[j];
            grads += (double)d->g[j] * (double)d->g[j];
        }
        text_buf_add(out, "%s %s length %.6f gradient %.6f\n", net, d->name,
                     sqrt(weights), sqrt(grads));
    }
    net_input_release(&s);
    policy_free(p);
}

/* Equal, but for numbers with a point, which may differ by 1e-4 of themselves or 1. */
static bool same_word(const char *a, const char *b)
{
    if (strchr(a, '.') == NULL || strchr(b, '.') == NULL) {
        return strcmp(a, b) == 0;
    }
    char *end_a, *end_b;
    const double va = strtod(a, &end_a), vb = strtod(b, &end_b);
    if (*end_a != 0 || *end_b != 0) {
        return strcmp(a, b) == 0; // a parameter's name
    }
    return fabs(va - vb) <= 1e-4 * fmax(1, fabs(vb));
}

static void numbers_are_what_they_were(void **state)
{
    const char *source = getenv("MINOS_SOURCE");
    struct text_buf out = {0};
    char path[512], now[64], was[64];
    (void)state;
    add_captions(&out);
    add_font(&out);
    add_network(&out, "cells", 20);
    add_network(&out, "tiles", 28);
    snprintf(path, sizeof path, "%s/tests/golden/nn.txt",
             source != NULL ? source : ".");
    if (getenv("MINOS_GOLDEN_WRITE") != NULL) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(out.data, f);
        fclose(f);
    }
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    const char *at = out.data;
    int used;
    for (int word = 0; sscanf(at, "%63s%n", now, &used) == 1; word++, at += used) {
        if (fscanf(f, "%63s", was) != 1 || !same_word(now, was)) {
            fail_msg("word %d is %s, in %s it is %s", word, now, path, was);
        }
    }
    assert_int_equal(fscanf(f, "%63s", was), EOF);
    fclose(f);
    text_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_what_they_were)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
