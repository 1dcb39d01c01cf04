#include "learner/train/train.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/nn/softmax.h"
#include "common/wire/bus.h"
#include "learner/train/journal.h"

_Static_assert(sizeof(struct agreed) % sizeof(double) == 0, "doubles alone");
_Static_assert(sizeof(struct rank_gauges) % sizeof(double) == 0, "doubles alone");
_Static_assert(sizeof(struct agreed) <= RANKS_AGREE_MAX * sizeof(double),
               "ranks_agree() takes the sums of RANKS_MAX ranks");
enum {
    AGREED_BY_ALL = offsetof(struct agreed, of_rank) / sizeof(double),
    AGREED_BY_RANK = sizeof(struct rank_gauges) / sizeof(double)
};
static const double memory_seconds = 1;

static void stage_end(struct train *t, enum train_stage s)
{
    const double now = clock_s(t->plan.clock);

    t->stage_s[s] += now - t->stage_mark;
    t->stage_mark = now;
}

/* ---- draw, gather, reward ---- */

static enum status draw_and_gather(struct train *t)
{
    struct sampler *s = &t->sampler;
    const double waited = s->waited;

    TRY(sampler_draw(s, t->update, &t->mine));
    TRY(replaying_draw(&t->replaying, s, t->update, &t->mine));
    stage_end(t, STAGE_DRAW);
    t->stage_s[STAGE_DRAW] -= s->waited - waited;
    t->stage_s[STAGE_DRAW_WAIT] += s->waited - waited;
    if (s->drawn > 0 && t->began_s < 0) {
        t->began_s = clock_s(t->plan.clock);
    }
    for (int i = 0; i < s->drawn; i++) {
        tallies_segment(&t->mine, &t->window, s->lags[i], &s->views[i]);
    }
    batch_gather(&t->batch, s->views, s->drawn, s->replayed);
    sampler_release_views(s);
    stage_end(t, STAGE_GATHER);
    return ST_OK;
}

static enum status mix_rewards(struct train *t)
{
    struct batch *b = &t->batch;
    const struct reward_rows rows = {.rows = b->rows,
                                     .texts = b->texts,
                                     .env_reward = b->env_reward,
                                     .count = b->count,
                                     .paid_caption = b->paid_caption,
                                     .text = b->text,
                                     .key = b->key,
                                     .emissions = b->emissions,
                                     .T = b->shape.T,
                                     .B = b->B,
                                     .piece = b->shape.piece,
                                     .chars = b->chars,
                                     .colors = b->colors,
                                     .stats = b->stats,
                                     .replayed = b->part};

    if (t->reward.kind->needs_visits) {
        TRY(exchange_add_visits(&t->exchange, &t->reward, b, t->update));
    }
    const uint64_t cpu = clock_thread_cpu_ns();
    const uint64_t scored = t->reward.fitting.scored;
    t->paid_by = t->reward.fitting;
    t->paid_ledger = t->exchange.ledger_serial;
    reward_apply_apart(&t->reward, b->stream[0].reward,
                       b->stream[t->heads.count - 1].reward, &t->mine.reward, &rows,
                       t->update);
    t->cpu_scoring += (double)(clock_thread_cpu_ns() - cpu) * 1e-9;
    t->mine.scored += (double)(t->reward.fitting.scored - scored);
    stage_end(t, STAGE_REWARD);
    return ST_OK;
}

/* ---- forward, targets ---- */

static void forward_piece(struct train *t, int p)
{
    struct batch *b = &t->batch;
    const size_t row = batch_piece_row(b, p);
    const int B = batch_piece_sequences(b, p), T = b->shape.T, N = T * B;
    const int A = policy_actions(t->policy);
    const size_t first = (size_t)p * (size_t)b->shape.piece;
    const struct policy_input in = batch_piece_input(b, p);
    const float *logits, *values;

    policy_forward_seq(t->policy, &in, T, B,
                       b->state + first * (size_t)b->shape.state_floats,
                       b->starts + row, &logits, &values);
    softmax_log(t->logp + row * (size_t)A, logits, N, A);
    heads_take_values(&t->heads, row, values, N);
}

static void targets(struct train *t)
{
    struct batch *b = &t->batch;

    loss_log_ratio(t->log_ratio, t->logp, b->action, b->behaviour, b->rows,
                   policy_actions(t->policy));
    heads_targets(&t->heads, t->advantage, b, t->log_ratio);
    if (t->pass == 0) {
        replaying_cut(&t->replaying, b, t->log_ratio, &t->mine);
    }
}

/* ---- the small allreduce ---- */

/* What the sums over rows are made of; advantages turn into value-normalised units. */
static void add_up(struct train *t, struct agreed *a)
{
    const float scale = (float)heads_scale(&t->heads);

    a->n = t->batch.fresh * t->batch.shape.T;
    a->replayed = t->replaying.rows;
    for (int i = 0; i < t->batch.rows; i++) {
        t->advantage[i] /= scale;
        if (t->batch.part != NULL && t->batch.part[i] != LOSS_FRESH) {
            continue; // what is normal, and what the critic is worth, fresh rows say
        }
        const double A = (double)t->advantage[i];
        a->advantage += A;
        a->advantage2 += A * A;
    }
    heads_add_up(&t->heads, a->heads, &t->batch);
}

static double variance(double n, double sum, double squares)
{
    return n > 0 ? fmax(squares / n - (sum / n) * (sum / n), 0) : 0;
}

/* Rank 0 keeps the clock. Any rank may ask earlier: two checkpoints are kept, and the store
 * holds what was drawn since the older of them; a quarter of its bound per checkpoint
 * leaves as much again for what waits. */
static bool checkpoint_wanted(const struct train *t)
{
    const uint64_t every = (uint64_t)(t->options.checkpoint_seconds * 1e9);
    const uint64_t room = (uint64_t)t->options.store_mb << 20;

    return t->update > t->checkpoint_update &&
           ((ranks_index(t->ranks) == 0 &&
             clock_ns(t->plan.clock) >= t->checkpoint_ns + every) ||
            t->sampler.bytes - t->checkpoint_bytes > room / 4);
}

static bool time_is_up(const struct train *t, double seconds)
{
    return t->options.seconds > 0 && seconds >= t->options.seconds;
}

static void gauge(struct train *t, struct agreed *a)
{
    const int rank = ranks_index(t->ranks);
    const double now = clock_s(t->plan.clock);
    struct rank_gauges *own = &a->of_rank[rank];

    tallies_gauge(&a->gauges, &t->window);
    a->gauges.cpu_scoring = t->cpu_scoring;
    a->gauges.cpu_fitting = t->cpu_fitting;
    if (rank == 0) { // nearly the same ones on every rank
        a->gauges.captions = (double)t->reward.table.met;
    }
    if (t->plan.outside != NULL) {
        t->plan.outside(t->plan.outside_ctx, rank, a->gauges.outside, own);
    }
    if (t->anon_mb <= 0 || now >= t->memory_s + memory_seconds) {
        t->memory_s = now;
        t->anon_mb = mem_anon_mb();
    }
    own->anon = t->anon_mb;
    own->anon_peak = mem_anon_peak_mb();
    own->draw_wait = t->stage_s[STAGE_DRAW_WAIT];
}

static enum status agree(struct train *t)
{
    struct agreed *a = &t->agreed;
    const bool first = ranks_index(t->ranks) == 0;
    const double seconds = first ? train_seconds(t) : 0;

    *a = (struct agreed){0};
    add_up(t, a);
    a->captions = exchange_captions(&t->exchange);
    a->verdicts = exchange_verdicts(&t->exchange);
    a->scores = t->reward.kind->asks == REWARD_ASKS_ORDER ? t->reward.scored_count : 0;
    a->stop =
        stop_asked() || t->inbox.stop || (first && time_is_up(t, seconds)) ? 1 : 0;
    a->checkpoint = checkpoint_wanted(t) ? 1 : 0;
    a->seconds = seconds;
    a->tallies = t->mine;
    gauge(t, a);
    TRY(ranks_agree(t->ranks, (double *)(void *)a,
                    AGREED_BY_ALL + AGREED_BY_RANK * ranks_count(t->ranks)));
    t->mine = (struct tallies){0};
    tallies_add(&t->totals, &a->tallies);
    tallies_add(&t->recent, &a->tallies);
    t->gauges = a->gauges;
    t->stopping = t->stopping || a->stop > 0;
    t->checkpoint_due = t->checkpoint_due || a->checkpoint > 0;
    stage_end(t, STAGE_AGREE);
    return ST_OK;
}

enum status train_settle(struct train *t)
{
    t->batch.rows = t->batch.fresh = 0;
    t->replaying.rows = 0;
    t->anon_mb = 0; // look again
    return agree(t);
}

/* Rounds without an update leave their labels for the next update's row. */
static void make_label_room(struct train *t)
{
    const int room = 2 * t->label_room;

    if (t->label_count + INBOX_VERDICTS <= t->label_room) {
        return;
    }
    t->labels =
        mem_grow(t->labels, (size_t)t->label_room, (size_t)room, sizeof(*t->labels));
    t->label_room = room;
    mem_free(t->journal);
    train_new_journal(t);
}

static enum status exchange_news(struct train *t)
{
    int taken = 0;

    if (t->agreed.captions > 0) {
        TRY(exchange_send_captions(&t->exchange));
    }
    if (t->agreed.scores > 0) { // of captions that rank 0 has heard of by now
        TRY(exchange_send_scores(&t->exchange, t->reward.scored,
                                 t->reward.scored_count));
    }
    if (t->agreed.verdicts > 0) {
        make_label_room(t);
        TRY(exchange_take_verdicts(
            &t->exchange, &t->reward, t->replaying.on ? &t->replaying.windows : NULL,
            &t->mine, t->update, t->labels + t->label_count, &taken));
        t->label_count += taken;
    }
    t->inbox.captions = 0; // rank 0's own are not needed here
    stage_end(t, STAGE_EXCHANGE);
    return ST_OK;
}

static enum status fit_reward(struct train *t)
{
    const uint64_t cpu = clock_thread_cpu_ns();
    const enum status st = reward_fit(&t->reward, t->update);

    t->cpu_fitting += (double)(clock_thread_cpu_ns() - cpu) * 1e-9;
    stage_end(t, STAGE_FIT);
    return st;
}

/* ---- gradient and step ---- */

/* How much of its targets each head explains. */
static void explain_values(struct train *t)
{
    const struct agreed *a = &t->agreed;

    for (int h = 0; h < t->heads.count; h++) {
        const struct heads_sums *s = &a->heads[h];
        const double spread = variance(a->n, s->target, s->target2);
        t->last.explained[h] =
            spread > 0 ? 1 - variance(a->n, s->error, s->error2) / spread : NAN;
    }
}

static void loss_of_all(struct train *t)
{
    const struct batch *b = &t->batch;
    const struct agreed *a = &t->agreed;
    const int A = policy_actions(t->policy);
    const struct loss_norm norm = loss_norm_of(a->n, a->advantage, a->advantage2,
                                               t->options.adv_floor, &t->last.sigma);

    for (int h = 0; h < t->heads.count; h++) {
        const struct head *head = &t->heads.head[h];
        const struct loss_rows rows = {.logp = t->logp,
                                       .log_ratio = t->log_ratio,
                                       .action = b->action,
                                       .advantage = t->advantage,
                                       .value = head->value_n,
                                       .old_value = head->old_value_n,
                                       .target = head->target_n,
                                       .part = b->part,
                                       .prox = t->replaying.prox};
        if (h > 0) {
            loss_backward_values(head->dvalue, &t->mine.loss, &t->mine.replay.loss,
                                 &rows, b->rows, &t->loss);
            continue;
        }
        loss_backward(t->dlogits, head->dvalue, &t->mine.loss, &rows, b->rows, A, norm,
                      &t->loss);
        if (b->part != NULL) {
            loss_backward_replayed(t->dlogits, head->dvalue, &t->mine.replay.loss,
                                   &rows, b->rows, A, norm, &t->loss);
        }
    }
    t->mine.samples += b->fresh * b->shape.T;
    t->mine.replay.samples += t->replaying.rows;
}

static void backward(struct train *t)
{
    struct batch *b = &t->batch;
    const int A = policy_actions(t->policy);

    explain_values(t);
    loss_of_all(t);
    stage_end(t, STAGE_LOSS);
    for (int p = 0; p < b->pieces; p++) {
        const size_t row = batch_piece_row(b, p);
        const int N = b->shape.T * batch_piece_sequences(b, p);
        if (b->pieces > 1) {
            // The activations of the last piece alone are still there.
            forward_piece(t, p);
        }
        policy_backward_seq(t->policy, t->dlogits + row * (size_t)A,
                            heads_gradient(&t->heads, row, N));
    }
    stage_end(t, STAGE_BACKWARD);
}

static double progress(const struct train *t)
{
    const struct learner_options *o = &t->options;
    const double steps = o->steps > 0 ? (double)t->env_steps / (double)o->steps : 0;
    const double time = o->seconds > 0 ? t->agreed.seconds / o->seconds : 0;

    return fmax(steps, time);
}

static enum status take_step(struct train *t)
{
    struct params *w = policy_params(t->policy);

    t->last.lr = adam_lr(t->options.lr, t->options.lr_end, progress(t));
    if (adam_step(&t->adam, w->weights, w->grads, t->agreed.n + t->agreed.replayed,
                  t->last.lr, t->options.grad_norm, &t->last.grad_norm) != ST_OK) {
        LOG_ERROR("TRAIN-NAN",
                  "the gradient of update %llu is not a number, going back to the last "
                  "checkpoint",
                  (unsigned long long)(t->update + 1));
        return ST_CORRUPT;
    }
    policy_weights_changed(t->policy);
    heads_move(&t->heads, t->policy, t->agreed.n, t->agreed.heads);
    t->update++;
    t->samples += (uint64_t)t->agreed.n;
    t->env_steps += t->pass == 0 ? (uint64_t)t->agreed.n : 0;
    stage_end(t, STAGE_ADAM);
    return ST_OK;
}

void train_publish(struct train *t)
{
    const struct params *w = policy_params(t->policy);
    const struct frame_header h = {.kind = FRAME_WEIGHTS, .run = t->plan.run};
    const struct msg_weights m = {
        .version = {t->plan.start, t->update},
        .policy_digest = policy_digest(t->policy),
        .env_steps = t->env_steps,
        .mean = heads_moments(&t->heads, 0).mean,
        .scale = heads_moments(&t->heads, 0).scale,
        .weights = w->weights,
        .floats = w->floats,
        .intrinsic_mean = heads_moments(&t->heads, 1).mean,
        .intrinsic_scale = heads_moments(&t->heads, 1).scale,
    };
    const struct to_io out = {
        .kind = TO_IO_WEIGHTS,
        .weights = {.blob = bus_blob_new(codec_encode_weights(t->codec, &h, &m)),
                    .version = m.version,
                    .env_steps = t->env_steps}};

    sampler_tell(t->plan.rings.to_io, &out);
}

/* before: of the values, before they moved. */
static void write_journal(struct train *t, const struct moments before[HEADS_MAX])
{
    const struct reward_options *o = &t->reward.options;
    struct pack p = {.data = t->journal, .size = t->journal_room};
    const struct journal_row row = {
        .pass = (uint32_t)t->pass,
        .update = t->update,
        .env_steps = t->env_steps,
        .samples = t->agreed.n + t->agreed.replayed,
        .lr = t->last.lr,
        .mean = before[0].mean,
        .scale = before[0].scale,
        .intrinsic_mean = before[1].mean,
        .intrinsic_scale = before[1].scale,
        .weights = train_digest(t),
        .drawn = t->pass == 0 ? (uint32_t)t->sampler.drawn : 0,
        .serials = t->sampler.serials,
        .replayed = t->pass == 0 ? (uint32_t)t->replaying.drawn : 0,
        .replayed_serials = t->replaying.serials,
        .ledger_serial = t->exchange.ledger_serial,
        .reward_version = t->reward.version,
        .labels = (uint32_t)t->label_count,
        .label = t->labels,
        .model_version = t->paid_by.version,
        .ramp = t->paid_by.ramp,
        .score_mean = t->paid_by.mean,
        .score_sigma = t->paid_by.sigma,
        .model_steps = t->reward.fitting.steps,
        .model_chance = t->reward.fitting.chance,
        .model = t->reward.fitting.digest,
        .scored_count = (uint32_t)t->reward.scored_count,
        .scored = t->reward.scored,
        .start = t->plan.start,
        .pays = (o->raw ? JOURNAL_RAW : 0) | (o->hard ? JOURNAL_HARD : 0) |
                (o->rank_raw ? JOURNAL_RANK_RAW : 0) |
                (t->batch.shape.pay_seen ? JOURNAL_PAY_SEEN : 0),
        .ledger_paid = t->paid_ledger,
        .a_ext = o->a_ext,
        .a_int = o->a_int,
        .reward_scale = o->scale,
        .clip = o->clip,
        .beta = o->beta,
        .eta = o->eta,
    };
    journal_write(&p, &row);
    CHECK(!p.bad);
    journal_tell(t->plan.rings.to_io, t->update, bytes_of(p.data, p.at));
    t->label_count = 0;
    t->reward.scored_count = 0;
}

/* ---- the update ---- */

static enum status update(struct train *t)
{
    struct params *w = policy_params(t->policy);
    const struct moments before[HEADS_MAX] = {heads_moments(&t->heads, 0),
                                              heads_moments(&t->heads, 1)};

    TRY(fit_reward(t));
    params_zero_grads(w);
    backward(t);
    TRY(ranks_sum(t->ranks, w->grads, w->floats));
    stage_end(t, STAGE_SUM);
    TRY(take_step(t));
    train_publish(t);
    write_journal(t, before);
    stage_end(t, STAGE_PUBLISH);
    t->pass = (t->pass + 1) % (int)t->options.passes;
    if (t->options.steps > 0 && t->env_steps >= (uint64_t)t->options.steps) {
        t->stopping = true;
    }
    if (t->checkpoint_due && t->pass == 0) {
        TRY(train_checkpoint(t));
        stage_end(t, STAGE_CHECKPOINT);
    }
    return ST_OK;
}

enum status train_step(struct train *t)
{
    t->stage_mark = clock_s(t->plan.clock);
    inbox_read(&t->inbox);
    if (t->pass == 0) {
        TRY(draw_and_gather(t));
        TRY(mix_rewards(t));
    }
    for (int p = 0; p < t->batch.pieces; p++) {
        forward_piece(t, p);
    }
    stage_end(t, STAGE_FORWARD);
    targets(t);
    stage_end(t, STAGE_VTRACE);
    TRY(agree(t));
    TRY(exchange_news(t));
    // No rank has a sample: no loss, no step, no version.
    t->sampler.idle = !(t->agreed.n > 0);
    return t->sampler.idle ? ST_OK : update(t);
}

bool train_done(const struct train *t)
{
    return t->stopping && t->pass == 0;
}

bool train_ready(struct train *t)
{
    return t->pass > 0 || sampler_ready(&t->sampler);
}

void train_end(struct train *t)
{
    t->ended_s = clock_s(t->plan.clock);
}

double train_seconds(const struct train *t)
{
    const double now = t->ended_s > 0 ? t->ended_s : clock_s(t->plan.clock);

    return t->plan.seconds_before + (t->began_s < 0 ? 0 : now - t->began_s);
}

uint64_t train_digest(const struct train *t)
{
    const struct params *w = policy_params(t->policy);

    return hash_64(bytes_of(w->weights, w->floats * sizeof(float)));
}
