/* The beginning and the end of struct train: what one step needs is taken here. */

#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/train/journal.h"
#include "learner/train/train.h"

/* A piece less is a forward pass less: with pieces, activations are made anew before each
 * one's backward pass. The reference's network keeps about 0.1 MB of them per row, so its
 * own batch of 4,096 fits into half a gigabyte; the default network needs far less. */
enum { TILES_PIECE_ROWS = 4096 };

static int piece_of(const struct learner_options *o, int sequences)
{
    const int64_t rows = o->micro_batch > 0             ? o->micro_batch
                         : strcmp(o->net, "tiles") == 0 ? TILES_PIECE_ROWS
                                                        : sequences * o->segment_steps;
    const int64_t piece = rows / o->segment_steps;

    return piece < 1 ? 1 : piece > sequences ? sequences : (int)piece;
}

static enum loss_kind loss_of(const char *name)
{
    return strcmp(name, "oni") == 0      ? LOSS_ONI
           : strcmp(name, "vtrace") == 0 ? LOSS_VTRACE
                                         : LOSS_PPO;
}

/* This rank's share of the batch, in segments. */
static enum status share_of(const struct learner_options *o, int64_t ranks,
                            int *sequences)
{
    const int64_t T = o->segment_steps;

    if (o->batch % (ranks * T) != 0 || o->batch == 0) {
        LOG_ERROR(
            "TRAIN-BATCH",
            "a batch of %lld steps is not a multiple of %lld ranks times segments "
            "of %lld steps",
            (long long)o->batch, (long long)ranks, (long long)T);
        return ST_INVALID;
    }
    *sequences = (int)(o->batch / (ranks * T));
    return ST_OK;
}

static void alloc_rows(struct train *t, size_t rows, size_t actions)
{
    t->logp = mem_new(rows * actions, sizeof(float));
    t->dlogits = mem_new(rows * actions, sizeof(float));
    t->log_ratio = mem_new(rows, sizeof(float));
    t->advantage = mem_new(rows, sizeof(float));
}

void train_new_journal(struct train *t)
{
    t->journal_room =
        journal_size((uint32_t)t->batch.shape.sequences, (uint32_t)t->label_room,
                     (uint32_t)t->reward.most_texts);
    t->journal = mem_new(t->journal_room, 1);
}

static enum status sum_over_ranks(void *ctx, float *v, size_t n)
{
    return ranks_sum(ctx, v, n);
}

static enum status agree_over_ranks(void *ctx, double *v, int n)
{
    return ranks_agree(ctx, v, n);
}

/* Measured on labels of crypt-vault: the cnn at three times its rate unlearns as much as it
 * learns, at the reference's 1e-4 it still pays for inscriptions after 600 updates. */
static double model_lr_of(const struct learner_options *o)
{
    return o->reward_model_lr > 0 ? o->reward_model_lr
                                  : (strcmp(o->text_net, "cnn") == 0 ? 0.001 : 0.003);
}

/* Texts are borrowed from o. */
static struct reward_options reward_of(const struct learner_options *o,
                                       struct bytes goal)
{
    return (struct reward_options){
        .kind = o->reward,
        .a_ext = o->a_ext,
        .a_int = o->a_int,
        .scale = o->reward_scale,
        .clip = o->reward_clip,
        .beta = o->beta,
        .gamma = o->gamma,
        .rnd_lr = o->rnd_lr,
        .seed = (uint64_t)o->seed,
        .goal = goal,
        .word_vectors = o->word_vectors,
        .bow_threshold = o->bow_threshold,
        .env = o->env,
        .reward_model = o->reward_model,
        .motif_quantile = o->motif_quantile,
        .raw = strcmp(o->soft, "raw") == 0,
        .hard = o->hard,
        .rank_raw = strcmp(o->rank_pay, "raw") == 0,
        .eta = o->eta,
        .fitting = {.text_net = o->text_net,
                    .lr = model_lr_of(o),
                    .steps = o->fit_steps,
                    .batch = o->fit_batch,
                    .version_updates = o->reward_version_updates,
                    .gate_labels = o->gate_labels,
                    .gate_class = o->gate_class,
                    .gate_steps = o->gate_steps,
                    .ramp_updates = o->ramp_updates,
                    .held_out = o->held_out,
                    .balance = o->class_balance,
                    .bursts = strcmp(o->fit_schedule, "oni") == 0,
                    .seed = (uint64_t)o->seed,
                    .label_budget = o->label_budget,
                    .labels_come = o->labels_from[0] != '\0'}};
}

enum status train_check_options(const struct learner_options *o)
{
    const struct reward_options reward = reward_of(o, bytes_of(NULL, 0));
    const struct reward_kind *kind = reward_find(o->reward);

    if (kind == NULL) {
        return ST_INVALID;
    }
    TRY(reward_check(&reward));
    return replaying_check(o, kind->needs_labels);
}

enum status train_check(const struct learner_options *o, int ranks)
{
    int sequences;

    TRY(train_check_options(o));
    return share_of(o, ranks, &sequences);
}

/* After the reward, whose second head's return may be endless. */
static void init_heads(struct train *t, size_t rows)
{
    const struct learner_options *o = &t->options;

    heads_init(&t->heads, policy_heads(t->policy), rows, o->value_norm, o->value_rate);
    for (int h = 0; h < t->heads.count; h++) {
        t->heads.head[h].vtrace =
            (struct vtrace_options){.gamma = (float)o->gamma,
                                    .fake_last = strcmp(o->bootstrap, "fake") == 0,
                                    .limits_end = strcmp(o->time_limits, "death") == 0,
                                    .weighted = loss_of(o->loss) == LOSS_ONI,
                                    .endless = h == 1 && t->reward.kind->endless};
    }
}

/* Everything whose size does not depend on what the store holds. want: fresh segments of
 * this rank's batch; sequences: with the replayed ones. */
static enum status init_parts(struct train *t, int want, int sequences)
{
    const struct learner_options *o = &t->options;
    const int T = (int)o->segment_steps, H = policy_state_floats(t->policy);
    const struct batch_shape shape = {.T = T,
                                      .sequences = sequences,
                                      .replayed = sequences - want,
                                      .burn_in = REPLAYING_BURN_IN,
                                      .piece = piece_of(o, sequences),
                                      .state_floats = H,
                                      .heads = policy_heads(t->policy),
                                      .pay_seen = strcmp(o->pay_caption, "seen") == 0};
    const struct reward_options reward = reward_of(&t->options, t->plan.goal);
    const struct reward_peers peers = {.index = ranks_index(t->ranks),
                                       .count = ranks_count(t->ranks),
                                       .sum = sum_over_ranks,
                                       .agree = agree_over_ranks,
                                       .ctx = t->ranks};
    const int texts = 2 * T * sequences;

    t->loss = (struct loss_options){.kind = loss_of(o->loss),
                                    .ratio_clip = (float)o->ratio_clip,
                                    .value_clip = (float)o->value_clip,
                                    .value_coef = (float)o->value_coef,
                                    .entropy_coef = (float)o->entropy,
                                    .adv_clip = (float)o->adv_clip};
    adam_init(&t->adam, policy_params(t->policy)->floats);
    batch_init(&t->batch, &shape);
    replaying_init(&t->replaying, o, want, ranks_index(t->ranks));
    TRY(reward_init(&t->reward, &reward, &peers, texts));
    init_heads(t, (size_t)T * (size_t)sequences);
    inbox_init(&t->inbox, t->plan.rings.to_training);
    exchange_init(&t->exchange, t->ranks, &t->inbox, t->plan.rings.to_io, texts);
    tallies_window_init(&t->window, ranks_count(t->ranks));
    alloc_rows(t, (size_t)T * (size_t)sequences, (size_t)policy_actions(t->policy));
    t->label_room = INBOX_VERDICTS;
    t->labels = mem_new(INBOX_VERDICTS, sizeof(*t->labels));
    t->codec = codec_new();
    return ST_OK;
}

enum status train_init(struct train *t, const struct train_plan *plan)
{
    const struct learner_options *o = plan->options;
    struct rng rng;
    int want;

    *t = (struct train){
        .plan = *plan, .options = *o, .ranks = plan->ranks, .began_s = -1};
    TRY(share_of(o, ranks_count(plan->ranks), &want));
    const int sequences = want + replaying_most(o, want);
    const int T = (int)o->segment_steps, piece = piece_of(o, sequences);
    TRY(policy_new(&plan->shape, T * piece, piece, true, &t->policy));
    // The same seed on every rank: equal weights without a word.
    rng_init_stream(&rng,
                    &(struct rng_stream){.seed = (uint64_t)o->seed, .role = RNG_INIT});
    policy_init_weights(t->policy, &rng);
    policy_weights_changed(t->policy);
    TRY(init_parts(t, want, sequences));
    const struct sampler_options draw = {
        .want = want,
        .replay = sequences - want,
        .max_lag = (uint64_t)o->max_lag,
        .draw_timeout = o->draw_timeout,
        .limits = {.T = T,
                   .state_floats = policy_state_floats(t->policy),
                   .actions = plan->shape.actions,
                   .value_heads = policy_heads(t->policy)}};
    t->checkpoint_ns = clock_ns(plan->clock);
    TRY(sampler_init(&t->sampler, &draw, plan->replay, &t->inbox, plan->rings.to_io,
                     plan->clock));
    train_new_journal(t);
    return ST_OK;
}

void train_leave_store(struct train *t)
{
    sampler_leave_store(&t->sampler);
}

void train_release(struct train *t)
{
    void *all[] = {t->logp,      t->dlogits, t->log_ratio,
                   t->advantage, t->labels,  t->journal};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(all[i]);
    }
    sampler_release(&t->sampler);
    replaying_release(&t->replaying);
    exchange_release(&t->exchange);
    inbox_release(&t->inbox);
    reward_release(&t->reward);
    batch_release(&t->batch);
    heads_release(&t->heads);
    adam_release(&t->adam);
    tallies_window_release(&t->window);
    policy_free(t->policy);
    codec_free(t->codec);
    *t = (struct train){0};
}
