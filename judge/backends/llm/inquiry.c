#include "judge/backends/llm/inquiry.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/text.h"

static bool is_comparison(enum prompt_style style)
{
    return style == STYLE_PAIR || style == STYLE_ORDER;
}

void inquiry_begin(struct inquiry *q, const struct judge_question *question,
                   enum prompt_style style, int votes, int retries)
{
    struct shot *shot = q->shot;
    const int directions = is_comparison(style) ? 2 : 1;

    CHECK(votes >= 1 && votes <= VOTES_MAX);
    *q = (struct inquiry){.used = true,
                          .style = style,
                          .votes = votes,
                          .shots = votes * directions,
                          .retries = retries,
                          .shot = shot,
                          .question = *question,
                          .verdict = {.kind = VERDICT_ABSTAIN,
                                      .confidence = NAN,
                                      .position = POSITION_UNKNOWN}};
    memcpy(q->caption, question->caption,
           (size_t)question->captions * sizeof(*question->caption));
    q->question.caption = q->caption;
    for (int i = 0; i < q->shots; i++) {
        shot[i].state = SHOT_READY;
        shot[i].reversed = i >= votes;
        shot[i].follow_up = false;
        shot[i].attempt = 0;
        shot[i].fresh = false;
        shot[i].not_before_ms = 0;
        shot[i].answered[0] = '\0';
    }
}

void inquiry_shown(const struct inquiry *q, const struct shot *s,
                   uint8_t shown[ITEM_CAPTIONS_MAX])
{
    const int n = q->question.captions;

    for (int i = 0; i < n; i++) {
        shown[i] = (uint8_t)(s->reversed ? n - 1 - i : i);
    }
}

/* The mean of p, or of a caption's rank, over the votes of one direction. */
static double mean_p(const struct inquiry *q, bool reversed)
{
    double sum = 0;
    int n = 0;

    for (int i = 0; i < q->shots; i++) {
        if (q->shot[i].state == SHOT_DONE && q->shot[i].reversed == reversed) {
            sum += q->shot[i].p;
            n++;
        }
    }
    return sum / n;
}

static double mean_rank(const struct inquiry *q, bool reversed, int caption)
{
    double sum = 0;
    int n = 0;

    for (int i = 0; i < q->shots; i++) {
        if (q->shot[i].state == SHOT_DONE && q->shot[i].reversed == reversed) {
            sum += q->shot[i].rank[caption];
            n++;
        }
    }
    return sum / n;
}

static bool all_hard(const struct inquiry *q)
{
    for (int i = 0; i < q->shots; i++) {
        if (q->shot[i].state == SHOT_DONE && !q->shot[i].hard) {
            return false;
        }
    }
    return true;
}

static void combine_rate(struct inquiry *q)
{
    const double p = mean_p(q, false);
    const bool one_hard_word = q->shots == 1 && q->shot[0].hard;

    judge_rate(&q->verdict, p);
    // How sure a grade is nobody says; one hard word neither.
    if (q->style == STYLE_BINARY && !one_hard_word && p >= 0 && p <= 1) {
        q->verdict.confidence = (float)fmax(p, 1 - p);
    }
}

/* +1: the first shown won both times, -1: the second did, 0: they agree. */
static int8_t position_of(double first, double second)
{
    if (first > 0.5 && second > 0.5) {
        return 1;
    }
    if (first < 0.5 && second < 0.5) {
        return -1;
    }
    return (first > 0.5 && second < 0.5) || (first < 0.5 && second > 0.5) ||
                   (first == 0.5 && second == 0.5)
               ? 0
               : POSITION_UNKNOWN;
}

static void combine_pair(struct inquiry *q)
{
    const double first = mean_p(q, false), second = mean_p(q, true);
    double p = (first + 1 - second) / 2; // that caption 0 is better

    // One vote each, hard, and not the same: also where one of them is a tie.
    if (q->votes == 1 && all_hard(q) && first != 1 - second) {
        p = 0.5;
    }
    if (fabs(p - 0.5) < 1e-6) {
        p = 0.5;
    }
    judge_order(&q->verdict, (const double[]){p, 1 - p}, 2);
    q->verdict.confidence = (float)fmax(p, 1 - p);
    q->verdict.position = position_of(first, second);
}

static void combine_order(struct inquiry *q)
{
    double score[ITEM_CAPTIONS_MAX];

    for (int i = 0; i < q->question.captions; i++) {
        // Means of the same ranks in another order may differ in their last bit.
        score[i] = -round((mean_rank(q, false, i) + mean_rank(q, true, i)) * 1e6);
    }
    judge_order(&q->verdict, score, q->question.captions);
}

static int count_in(const struct inquiry *q, bool reversed, enum shot_state state)
{
    int n = 0;

    for (int i = 0; i < q->shots; i++) {
        n += q->shot[i].reversed == reversed && q->shot[i].state == state;
    }
    return n;
}

static void combine_when_all_done(struct inquiry *q)
{
    for (int i = 0; i < q->shots; i++) {
        if (q->shot[i].state == SHOT_READY || q->shot[i].state == SHOT_SENT) {
            return;
        }
    }
    if (q->style == STYLE_PAIR) {
        combine_pair(q);
    } else if (q->style == STYLE_ORDER) {
        combine_order(q);
    } else {
        combine_rate(q);
    }
    q->done = true;
}

void inquiry_take(struct inquiry *q, struct shot *s, const struct parsed *answer,
                  bool soft, double p)
{
    uint8_t shown[ITEM_CAPTIONS_MAX];

    s->state = SHOT_DONE;
    s->soft = soft;
    s->hard = answer->hard && !soft;
    s->p = soft ? p : answer->p;
    inquiry_shown(q, s, shown);
    for (int i = 0; i < q->question.captions && is_comparison(q->style); i++) {
        s->rank[shown[i]] = answer->rank[i];
    }
    combine_when_all_done(q);
}

void inquiry_fail(struct inquiry *q, struct shot *s, enum verdict_kind kind)
{
    s->state = SHOT_FAILED;
    // Most of a direction's votes must have come, else there is no answer of it.
    if (2 * count_in(q, s->reversed, SHOT_FAILED) >= q->votes) {
        inquiry_end(q, kind);
        return;
    }
    combine_when_all_done(q);
}

void inquiry_end(struct inquiry *q, enum verdict_kind kind)
{
    q->verdict.kind = kind;
    q->verdict.confidence = NAN;
    q->verdict.position = POSITION_UNKNOWN;
    q->done = true;
}

/* The longest beginning of at most `most` bytes that ends with a whole UTF-8 letter. */
static size_t cut_at(struct bytes text, size_t most)
{
    const uint8_t *c = text.data;
    size_t len = text.len;

    if (len <= most) {
        return len;
    }
    for (len = most; len > 0 && (c[len] & 0xc0) == 0x80; len--) {
    }
    return len;
}

size_t inquiry_add_raw(struct inquiry *q, const struct shot *s, const char *note,
                       struct bytes text)
{
    struct judge_verdict *v = &q->verdict;
    const size_t number = (size_t)(s - q->shot) + 1, from = v->raw_len;
    const int before = count_in(q, false, SHOT_DONE) + count_in(q, true, SHOT_DONE) +
                       count_in(q, false, SHOT_FAILED) + count_in(q, true, SHOT_FAILED);
    // Nobody's chatter takes the place of those that come after.
    size_t room = (size_t)(before + 1) * (JUDGE_RAW_MAX / (size_t)q->shots);
    char head[64];

    room = room > from ? room - from : 0;
    text_format(head, sizeof(head), "%s[%zu%s]%s%s ", from > 0 ? "\n" : "", number,
                s->reversed ? " reversed" : "", note[0] != '\0' ? " " : "", note);
    const size_t n = q->shots == 1 && from == 0 && note[0] == '\0' ? 0 : strlen(head);
    if (n >= room) {
        return from;
    }
    memcpy(v->raw + from, head, n);
    const size_t len = cut_at(text, room - n);
    if (len > 0) {
        memcpy(v->raw + from + n, text.data, len);
    }
    v->raw_len = (uint16_t)(from + n + len);
    return from;
}
