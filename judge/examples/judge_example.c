/* A judge of one's own: likes captions that ask or shout. Copy this file, change score(),
 * link judge_lib, and start it with --learner=tcp://HOST:PORT or --run-dir=DIR. */
#include <string.h>

#include "judge/judge.h"

static double score(const struct judge_caption *c) // the larger the better
{
    const bool shouts = memchr(c->text, '!', c->len) != NULL;

    return shouts ? 1.0 : memchr(c->text, '?', c->len) != NULL ? 0.5 : 0.0;
}

static enum status ask(void *self, const struct judge_question *q,
                       struct judge_verdict *v)
{
    double scores[ITEM_CAPTIONS_MAX];

    (void)self; // this judge remembers nothing
    for (int i = 0; i < q->captions; i++) {
        scores[i] = score(&q->caption[i]);
    }
    if (q->kind == QUESTION_RATE) {
        judge_rate(v, scores[0]);
    } else {
        judge_order(v, scores, q->captions);
    }
    return ST_OK;
}

static const struct judge_backend excited = {
    .name = "excited", .can_rate = true, .can_order = true, .ask = ask};

int main(int argc, char **argv)
{
    return judge_main(&excited, argc, argv);
}
