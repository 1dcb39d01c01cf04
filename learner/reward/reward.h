#ifndef LEARNER_REWARD_REWARD_H
#define LEARNER_REWARD_REWARD_H
/* What a step pays:
 *   r_t = a_ext clip(scale r_env, +-clip) + a_int r_int(caption) / N_ep(caption)^beta
 * for the caption that action t caused, or was chosen by (--pay-caption); an empty one pays
 * 0. N_ep, counted by the actor: how often it has come in its episode, now included. Kinds
 * that score what is seen pay a_int r_int(row) instead. A kind is one file and one line in
 * reward.c. Computed when a batch is gathered, never written into segments. Training thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/metrics.h"
#include "common/base/status.h"
#include "learner/reward/caption_table.h"
#include "learner/reward/fitting.h"
#include "learner/reward/reward_rows.h"
#include "learner/reward/reward_sums.h"

enum { REWARD_POWERS = 64 };

struct reward_options {
    const char *kind; // "none", "count", "retrieval", ...
    double a_ext, a_int, scale, clip, beta, gamma, rnd_lr;
    uint64_t seed;
    struct bytes goal;        // the goal file's text
    const char *word_vectors; // bow: a .vec file
    double bow_threshold;     // cosines up to it pay nothing
    const char *env;          // task: "crypt-vault"
    const char *reward_model; // motif: a directory that minos fit made
    double motif_quantile; // of the scores it was trained on, below which nothing pays
    bool raw, hard;        // how p is paid: reward_worth()
    bool rank_raw;         // rank: the score itself is paid
    double eta;
    struct fitting_options fitting;
};

/* What judges are asked for a reward's sake. */
enum reward_asks { REWARD_ASKS_NOTHING, REWARD_ASKS_RATE, REWARD_ASKS_ORDER };
enum reward_asks reward_asks_of(const char *kind); // NOTHING where there is none

struct reward;
struct reward_known;

/* One intrinsic reward. Only name and score (or score_rows) must be there; a kind with a
 * state of its own keeps it in reward.state. Every hook but score is called by all ranks
 * at the same place of the same update. */
struct reward_kind {
    const char *name;
    bool needs_visits; // the table's visits must be exact over all ranks before score()
    bool needs_labels; // a judge is of use
    bool needs_texts;  // labels come after their captions' texts: take_text()
    bool endless;      // its return goes on over ends of episodes (train/heads.h)
    enum reward_asks asks;
    /* ST_INVALID (logged): a setting or a file is wrong. */
    MUST_USE enum status (*open)(struct reward *r);
    void (*close)(struct reward *r);
    /* A caption of labels to come, each once in a start; the bytes are borrowed. */
    void (*take_text)(struct reward *r, struct hash128 key, struct bytes text);
    /* After the table has it, where it is a rating. */
    void (*take_label)(struct reward *r, const struct reward_label *label,
                       uint64_t update);
    /* Whether its settings can be meant, before anything is opened; NULL: always.
     * ST_INVALID (logged). */
    MUST_USE enum status (*check)(const struct reward_options *o);
    /* Once in an update, after its labels: gradient steps on a budget. Collective.
     * ST_CORRUPT (logged): the model is not a number. */
    MUST_USE enum status (*fit)(struct reward *r, uint64_t update);
    /* score (texts) = r_int of each caption; what empty captions get is not read. */
    void (*score)(struct reward *r, float *score, const struct reward_rows *in);
    /* The same of one caption out of what the journal keeps (reward_pays.h), to the bit;
     * NAN: it would need the score. It reads reward.options alone. NULL: the journal cannot
     * tell. */
    float (*pays)(const struct reward *r, const struct reward_known *k);
    /* r_int of a caption in words, W being reward_worth(); where pays is there. */
    const char *in_words;
    /* Instead: score (rows) of each row, whatever its caption. */
    void (*score_rows)(struct reward *r, float *score, const struct reward_rows *in,
                       uint64_t update);
    /* Of all that save() keeps; equal on all ranks. */
    uint64_t (*digest)(const struct reward *r);
    /* What is not in the table, for the checkpoint: free *data with mem_free(). load:
     * ST_CORRUPT, ST_VERSION (logged). */
    void (*save)(const struct reward *r, char **data, size_t *len);
    MUST_USE enum status (*load)(struct reward *r, struct bytes b);
    /* Rank 0: adds fields of its own to a row of metrics, or to the summary. */
    void (*report)(const struct reward *r, struct metrics_row *m, bool summary);
};

struct reward {
    struct reward_options options;
    const struct reward_kind *kind;
    struct caption_table table;
    float *score;               // (texts), or (rows)
    float power[REWARD_POWERS]; // N^-beta
    uint64_t version;           // counts the labels taken
    struct reward_peers peers;
    int most_texts;
    struct fitting_figures fitting; // of the kind's model, where it has one
    struct fitting_scored *scored;  // (texts) scored anew since the last update
    int scored_count;
    const char *note; // for people, beside its name: what pays is not what it may seem
    void *state;      // the kind's own
};

/* NULL (logged): no such kind. */
const struct reward_kind *reward_find(const char *name);
/* What can be said of settings alone. ST_INVALID (logged): as below. */
MUST_USE enum status reward_check(const struct reward_options *o);
/* ST_INVALID (logged): no such kind, or a setting of it is wrong. most_texts: distinct
 * captions of one batch, at least its rows. */
MUST_USE enum status reward_init(struct reward *r, const struct reward_options *o,
                                 const struct reward_peers *peers, int most_texts);
void reward_release(struct reward *r);

/* A label that all ranks take at the same update. Returns the number of updates since this
 * rank first trained on the caption (of an order: on the one met last), or -1 when it has
 * not met it. */
int64_t reward_take_label(struct reward *r, const struct reward_label *label,
                          uint64_t update);
/* The text of a caption of labels to come; nothing where the kind does not need it. */
void reward_take_text(struct reward *r, struct hash128 key, struct bytes text);
/* Once in an update, after its labels. Collective. */
MUST_USE enum status reward_fit(struct reward *r, uint64_t update);
/* Adds emissions of one caption, for kinds that need visits: of all ranks' batches. */
void reward_add_visits(struct reward *r, struct hash128 key, uint64_t emissions,
                       uint64_t update);
/* Fills reward (rows), or ext and intrinsic, its two parts; *sums is overwritten. */
void reward_apply(struct reward *r, float *reward, struct reward_sums *sums,
                  const struct reward_rows *in, uint64_t update);
void reward_apply_apart(struct reward *r, float *ext, float *intrinsic,
                        struct reward_sums *sums, const struct reward_rows *in,
                        uint64_t update);

/* What P(helpful) = p is worth: max(0, 2p - 1), so that an even chance is worth nothing and
 * a sure one 1; --soft=raw: p; --hard: 1 where p > eta, else 0. */
float reward_worth(const struct reward *r, float p);
/* What the caption's own label is worth; without one 0. */
float reward_label_worth(const struct reward *r, struct hash128 key);

extern const struct reward_kind reward_retrieval, reward_count, reward_classify,
    reward_rank, reward_rnd, reward_bow, reward_motif;

#endif
