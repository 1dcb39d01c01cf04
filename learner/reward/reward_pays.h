#ifndef LEARNER_REWARD_REWARD_PAYS_H
#define LEARNER_REWARD_REWARD_PAYS_H
/* The arithmetic of a reward apart from its state: training pays by it, and minos explain
 * computes it again out of the journal, to the bit. */

#include "learner/reward/reward.h"

/* What the journal keeps of a caption that is not empty and was paid. */
struct reward_known {
    bool labelled; // when it was paid
    float p;       // the label's
    bool scored;
    float score; // as the kind adds it to reward.scored
    float ramp;  // of the model's share
    double mean, sigma;
};

/* The two parts of what one row is paid. score: its caption's, or its own; silent: its
 * caption is empty. No state but options and powers. */
void reward_pay_row(const struct reward *r, float env_reward, uint16_t count,
                    bool silent, float score, float *ext, float *intrinsic);
/* Options alone, for tools: enough for kind->pays(), reward_pay_row(), reward_worth(). */
void reward_init_arithmetic(struct reward *r, const struct reward_kind *kind,
                            const struct reward_options *o);
/* For kinds whose scores are what they pay: journals the score of a caption. */
void reward_note_score(struct reward *r, struct hash128 key, float score);
float reward_pays_score(const struct reward *r, const struct reward_known *k);

#endif
