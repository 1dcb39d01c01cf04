#ifndef TESTS_SUPPORT_SCHOOL_H
#define TESTS_SUPPORT_SCHOOL_H
/* A training thread without the processes around it: real games and real segments, put
 * into a real store by the test itself, one rank of a learner on top. One thread. */

#include "actor/rollout.h"
#include "learner/train/train.h"

enum { SCHOOL_JOURNAL = 256 };
#define SCHOOL_GOAL "climb to the landing"

struct school_plan {
    const char *task, *overrides;
    uint32_t start;      // of the learner; 0: the first
    int envs, T;         // one play gives `envs` segments of T steps
    struct ranks *ranks; // NULL: alone
    const char *dir;     // of the run: checkpoints and stores
    void (*tune)(struct learner_options *o); // settings that differ; NULL: none
};

struct school {
    struct learner_options options;
    struct clock clock; // stands still
    struct ranks *own;
    struct replay *replay;
    struct rings rings;
    struct train train;
    // the actor
    struct vecenv *games;
    struct policy *policy;
    struct rollout *rollout;
    struct codec *codec;
    uint64_t seq;
    // what the training thread told
    uint64_t trained, dropped, blobs, verdicts_taken, captions, scores;
    struct ring_caption caption; // the last one
    uint64_t journal_update[SCHOOL_JOURNAL], journal_weights[SCHOOL_JOURNAL];
    int journals;
    uint8_t row[1 << 20];
    size_t row_len;
};

/* actor: number of the actor, which is also its stream of chance. */
void school_open(struct school *s, const struct school_plan *plan, uint32_t actor);
void school_close(struct school *s);
/* E segments under the present weights, said to be of version `update`, into the store. */
void school_play(struct school *s, uint64_t update);
/* One segment as it is, into the store. */
void school_put(struct school *s, const struct segment_fill *fill);
/* The frame of one, good until the next; any frame into the store. */
struct bytes school_frame(struct school *s, const struct segment_fill *fill);
void school_put_frame(struct school *s, struct bytes frame);
/* A label, as if a judge had given it. */
void school_label(struct school *s, const char *caption, float p, uint64_t serial);
/* The text of a caption that verdicts are about. */
void school_text(struct school *s, const char *caption);
/* An order of two captions; their texts come before it. */
void school_order(struct school *s, const char *better, const char *worse,
                  uint64_t serial);
/* One round of training, then what it told is counted and thrown away, but for the journal's
 * rows, which go into the store. */
void school_step(struct school *s);
void school_listen(struct school *s);

#endif
