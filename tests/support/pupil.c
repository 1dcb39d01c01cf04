#include "tests/support/pupil.h"

#include <string.h>

#include "common/base/text.h"

const struct fitting_options pupil_usual = {.text_net = "ngram",
                                            .lr = 0.003,
                                            .steps = 4,
                                            .batch = 32,
                                            .version_updates = 4,
                                            .gate_labels = 64,
                                            .gate_class = 8,
                                            .gate_steps = 40,
                                            .ramp_updates = 5,
                                            .held_out = 0.2,
                                            .balance = 0.25,
                                            .seed = 3};
const struct reward_peers pupil_alone = {.count = 1};

static float worth(const void *ctx, float value)
{
    (void)ctx;
    return value;
}

enum status pupil_begin(struct pupil *t, const struct fitting_options *o,
                        const struct reward_peers *peers, enum capnet_head head)
{
    *t = (struct pupil){.update = 0};
    const struct model_plan plan = {.options = o,
                                    .peers = peers,
                                    .head = head,
                                    .most_texts = PUPIL_TEXTS,
                                    .figures = &t->figures,
                                    .worth = worth};
    return model_open(&plan, &t->model);
}

void pupil_caption(int i, char *out, size_t size)
{
    static const char *const key[] = {"You see a %s key.", "There is a key of %s here.",
                                      "A %s key lies there."};
    static const char *const other[] = {"The %s rat bites!", "You hear a %s sound.",
                                        "A %s door."};
    char word[8];

    text_format(word, sizeof(word), "%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                'a' + i / 676);
    const char *form = i % 4 == 0 ? key[i % 3] : other[i % 3];
    const char *at = strstr(form, "%s");
    text_format(out, size, "%.*s%s%s", (int)(at - form), form, word, at + 2);
}

void pupil_rate(struct pupil *t, int i, float p)
{
    char text[64];

    pupil_caption(i, text, sizeof(text));
    const struct reward_label label = {.key = hash_128(bytes_text(text)),
                                       .kind = VERDICT_LABEL,
                                       .captions = 1,
                                       .p = p};
    model_take_text(t->model, label.key, bytes_text(text));
    model_take_label(t->model, &label);
}

void pupil_order(struct pupil *t, int i, const uint8_t *place, int places)
{
    struct reward_label label = {
        .key = {(uint64_t)i, 1}, .kind = VERDICT_LABEL, .captions = (uint8_t)places};
    char text[64];

    for (int k = 0; k < places; k++) {
        pupil_caption(i + k, text, sizeof(text));
        label.caption[k] = hash_128(bytes_text(text));
        label.place[k] = place[k];
        model_take_text(t->model, label.caption[k], bytes_text(text));
    }
    model_take_label(t->model, &label);
}

enum status pupil_go_on(struct pupil *t, int updates, int labels_each)
{
    for (int u = 0; u < updates; u++, t->update++) {
        for (int i = 0; i < labels_each; i++, t->said++) {
            pupil_rate(t, t->said, t->said % 4 == 0 ? 1.0F : 0.0F);
        }
        TRY(model_fit(t->model, t->update));
    }
    return ST_OK;
}

float pupil_say(struct pupil *t, const char *text)
{
    const struct bytes b = bytes_text(text);
    const struct hash128 key = hash_128(b);
    struct fitting_scored scored[1];
    float out;

    model_say(t->model, &out, &b, &key, 1, scored);
    return out;
}
