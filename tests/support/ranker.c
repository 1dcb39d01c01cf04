#include "tests/support/ranker.h"

#include <string.h>

#include "common/base/text.h"

struct labels *ranker_labels;
static uint64_t serial;

void ranker_begin(double held_out)
{
    labels_free(ranker_labels);
    ranker_labels = labels_new(held_out);
    serial = 0;
}

void ranker_label(int captions, const char *const text[], const uint8_t *place, float p)
{
    struct bytes all[RANKER_TEXTS];
    struct reward_label l = {.serial = ++serial,
                             .kind = VERDICT_LABEL,
                             .captions = (uint8_t)captions,
                             .p = p};

    for (int i = 0; i < captions; i++) {
        all[i] = bytes_text(text[i]);
        l.caption[i] = hash_128(all[i]);
        l.place[i] = place != NULL ? place[i] : 0;
        labels_take_text(ranker_labels, l.caption[i], all[i]);
    }
    l.key =
        captions == 1 ? l.caption[0] : hash_128(bytes_of(l.caption, sizeof(l.caption)));
    (void)labels_take(ranker_labels, &l);
}

void ranker_rate(const char *text, float p)
{
    ranker_label(1, &text, NULL, p);
}

void ranker_order(const char *first, const char *second, uint8_t a, uint8_t b)
{
    ranker_label(2, (const char *const[]){first, second}, (const uint8_t[]){a, b},
                 0.5F);
}

const struct motif_fit_options ranker_options = {
    .text = CAPNET_NGRAM, .epochs = 20, .batch = 16, .lr = 0.003, .seed = 3};

enum status ranker_fit(struct motif_about *about, struct capnet **net)
{
    *about = (struct motif_about){.environment = "crypt-vault", .goal = "mine"};
    about->goal_digest = hash_128(bytes_text("my goal"));
    return motif_fit(&ranker_options, ranker_labels, about, net);
}

void ranker_rate_many(void)
{
    char text[64];

    for (int i = 0; i < 120; i++) {
        text_format(text, sizeof(text), "%s %c%c%c",
                    i % 3 == 0 ? "a golden key" : "a wall", 'a' + i % 26, 'a' + i / 26,
                    'a' + i % 7);
        ranker_rate(text, i % 3 == 0 ? 0.9F : 0.1F);
    }
}

void ranker_score(struct capnet *net, const char *const *text, float *out, int n)
{
    struct bytes all[RANKER_TEXTS];

    for (int i = 0; i < n; i++) {
        all[i] = bytes_text(text[i]);
    }
    memcpy(out, capnet_forward(net, all, n, NULL), sizeof(float) * (size_t)n);
}
