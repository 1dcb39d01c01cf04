#ifndef LEARNER_REWARD_MOTIF_DIR_H
#define LEARNER_REWARD_MOTIF_DIR_H
/* The directory that minos fit writes and --reward=motif reads: a ranking model that is
 * finished, and what is known of it.
 *   model.json    struct motif_about
 *   weights.bin   the network's weights by name
 * model.json is written last: without it there is no model. Owner's thread. */

#include "common/base/hash.h"
#include "common/base/status.h"
#include "common/nn/capnet.h"

enum { MOTIF_QUANTILES = 101, MOTIF_NAME_MAX = 256 };

struct motif_about {
    char environment[64], goal[MOTIF_NAME_MAX]; // whose captions; the goal's name
    struct hash128 goal_digest;
    struct hash128 ledger_digest; // of the labels that it was fitted on
    struct hash128 weights;       // digest
    enum capnet_text text;
    uint64_t labels, rates, helpful, orders,
        ties;                     // labels = rates + orders; ties of those
    uint64_t held;                // labels held out
    uint64_t steps, epochs, seed; // gradient steps; epochs to these weights
    double lr, loss;              // held-out loss of a comparison, NAN
    double accuracy, compared;    // of so many held-out pairs, NAN: none
    // of the scores of the captions that it was trained on
    double mean, sigma;
    double quantile[MOTIF_QUANTILES]; // of (score - mean) / sigma, by hundredths
};

const char *motif_text_name(enum capnet_text t); // "ngram", "cnn"

/* Whether a model may be written there. ST_INVALID (logged): one is there already. */
MUST_USE enum status motif_dir_check_free(const char *dir);
/* Whether a model of that network can be written there: it is tried, and taken away again.
 * ST_INVALID (logged): it cannot. */
MUST_USE enum status motif_dir_try(const char *dir, enum capnet_text text);
/* Makes `dir`. ST_INVALID (logged): it holds a model already; ST_IO (logged). Fills
 * about->weights. */
MUST_USE enum status motif_dir_write(const char *dir, struct motif_about *about,
                                     struct capnet *net);
/* *net has room for `most` texts of one pass; capnet_free() it. ST_INVALID, ST_CORRUPT,
 * ST_VERSION (logged): there is no model, it is damaged, or holds what is no number. */
MUST_USE enum status motif_dir_read(const char *dir, int most,
                                    struct motif_about *about, struct capnet **net);

/* Digest of all that decides what a caption pays. */
struct hash128 motif_dir_identity(const struct motif_about *about);

#endif
