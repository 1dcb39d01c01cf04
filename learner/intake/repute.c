#include "learner/intake/repute.h"

#include <math.h>
#include <string.h>

#include "common/base/text.h"
#include "learner/intake/alarm.h"

void repute_init(struct repute *r, double share)
{
    memset(r, 0, sizeof(*r));
    // The sample then spans the time in which it is asked again about twice.
    r->stride = share > 0 ? (uint32_t)fmax(1, 0.5 / share) : 0;
}

struct repute_one *repute_of(struct repute *r, const char *name, const char *model,
                             struct hash128 prompt_digest)
{
    int i = 0;

    while (i < r->count &&
           (strncmp(r->one[i].told.name, name, IO_JUDGE_NAME - 1) != 0 ||
            strncmp(r->one[i].told.model, model, IO_JUDGE_NAME - 1) != 0)) {
        i++;
    }
    if (i == IO_JUDGES_TOLD) {
        return &r->one[i - 1];
    }
    struct repute_one *o = &r->one[i];
    if (i == r->count) {
        r->count++;
        (void)text_format(o->told.name, sizeof(o->told.name), "%s", name);
        (void)text_format(o->told.model, sizeof(o->told.model), "%s", model);
        o->prompt_digest = prompt_digest;
    }
    if (!hash_equal(o->prompt_digest, prompt_digest)) {
        o->prompt_digest = prompt_digest;
        memset(o->sample, 0, sizeof(o->sample));
    }
    return o;
}

void repute_verdict(struct repute_one *o, const struct msg_verdict *v, bool check)
{
    o->told.answers++;
    o->told.failures += alarm_is_failure((enum verdict_kind)v->kind);
    o->told.labels += !check && (v->kind == VERDICT_LABEL || v->kind == VERDICT_TIE);
    if (v->position != POSITION_UNKNOWN) {
        o->told.pairs++;
        o->told.first_won += v->position > 0;
        o->told.second_won += v->position < 0;
    }
}

void repute_label(const struct repute *r, struct repute_one *o,
                  const struct repute_sample *s, const uint8_t *place)
{
    if (r->stride == 0 || o->samples++ % r->stride != 0) {
        return;
    }
    struct repute_sample *kept = &o->sample[o->samples / r->stride % REPUTE_SAMPLE];
    *kept = *s;
    if (place != NULL) {
        memcpy(kept->place, place, sizeof(kept->place));
    }
}

bool repute_again(struct repute_one *o, uint64_t now_ms, struct repute_sample *out)
{
    struct repute_sample *oldest = NULL;

    for (int i = 0; i < REPUTE_SAMPLE; i++) {
        struct repute_sample *s = &o->sample[i];
        if (s->caption != 0 && (oldest == NULL || s->time_ms < oldest->time_ms)) {
            oldest = s;
        }
    }
    if (oldest == NULL || now_ms - oldest->time_ms < REPUTE_AGE_MS) {
        return false;
    }
    *out = *oldest;
    oldest->caption = 0;
    return true;
}

static void compare(struct repute_one *o, bool agreed, double difference)
{
    o->told.again++;
    o->told.agreed += agreed;
    o->differences += difference;
    o->told.difference = o->differences / (double)o->told.again;
}

void repute_compare(struct repute_one *o, float before, float now)
{
    compare(o, (before > 0.5f) == (now > 0.5f), fabs((double)before - (double)now));
}

void repute_compare_orders(struct repute_one *o, const uint8_t *before,
                           const uint8_t *now, int captions)
{
    int pairs = 0, differ = 0;

    for (int i = 0; i < captions; i++) {
        for (int k = 0; k < i; k++) {
            pairs++;
            differ += (before[i] < before[k]) != (now[i] < now[k]) ||
                      (before[i] > before[k]) != (now[i] > now[k]);
        }
    }
    compare(o, differ == 0, pairs > 0 ? (double)differ / pairs : 0);
}
