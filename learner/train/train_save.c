/* A checkpoint of training, and going on from one. The files:
 *   policy.bin    rank 0: weights and Adam's two moments, by parameter name
 *   train.bin     rank 0: counters, value moments, totals
 *   rewards.bin   rank 0: labels and visits by caption
 *   model.bin     rank 0: the reward's own state, where it has one
 *   counts-R.bin  every rank: its cursor and what became of each incarnation's segments
 *   replay-R.bin  with replay, every rank: which trained segments it may draw again
 *   rewards-R.bin with replay, ranks above 0: as rewards.bin, with the rank's first sights */

#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/nn/snapshot.h"
#include "learner/store/pack.h"
#include "learner/train/train.h"

enum { STATE_FORMAT = 1, STATE_ROOM = 4096 };
static const char *const adam_names[2] = {"adam.m.", "adam.v."};

_Static_assert(sizeof(struct tallies) + 256 < STATE_ROOM, "totals fit");

static void write_moments(struct pack *p, const struct moments *m)
{
    pack_f64(p, m->weight);
    pack_f64(p, m->first);
    pack_f64(p, m->second);
    pack_f64(p, m->mean);
    pack_f64(p, m->scale);
}

static void read_moments(struct unpack *u, struct moments *m)
{
    m->weight = unpack_f64(u);
    m->first = unpack_f64(u);
    m->second = unpack_f64(u);
    m->mean = unpack_f64(u);
    m->scale = unpack_f64(u);
}

static void write_state(const struct train *t, struct pack *p)
{
    pack_u32(p, STATE_FORMAT);
    pack_u32(p, sizeof(struct tallies));
    pack_u64(p, t->update);
    pack_u64(p, t->env_steps);
    pack_u64(p, t->samples);
    pack_u64(p, t->adam.steps);
    write_moments(p, &t->heads.head[0].moments);
    pack_u64(p, t->exchange.ledger_serial);
    pack_u64(p, t->reward.version);
    pack_put(p, &t->totals, sizeof(t->totals));
    if (t->heads.count > 1) {
        write_moments(p, &t->heads.head[1].moments);
    }
}

static enum status read_state(struct train *t, struct bytes b)
{
    struct unpack u = unpack_of(b);

    const uint32_t format = unpack_u32(&u), tallies = unpack_u32(&u);
    if (format != STATE_FORMAT || tallies != sizeof(struct tallies)) {
        LOG_ERROR("TRAIN-STATE", "the checkpoint's train.bin is of another version");
        return ST_VERSION;
    }
    t->update = unpack_u64(&u);
    t->env_steps = unpack_u64(&u);
    t->samples = unpack_u64(&u);
    t->adam.steps = unpack_u64(&u);
    read_moments(&u, &t->heads.head[0].moments);
    t->exchange.ledger_serial = unpack_u64(&u);
    t->reward.version = unpack_u64(&u);
    unpack_get(&u, &t->totals, sizeof(t->totals));
    if (t->heads.count > 1) {
        read_moments(&u, &t->heads.head[1].moments);
    }
    if (u.bad || u.at != u.size) {
        LOG_ERROR("TRAIN-STATE", "the checkpoint's train.bin has %zu bytes", b.len);
        return ST_CORRUPT;
    }
    return ST_OK;
}

/* ---- writing ---- */

static enum status put_and_free(const char *dir, const char *name, char *data,
                                size_t len)
{
    const enum status st = checkpoint_put(dir, name, bytes_of(data, len));

    mem_free(data);
    return st;
}

static enum status put_shared(struct train *t, const char *dir)
{
    const float *const extra[2] = {t->adam.first, t->adam.second};
    struct pack p = {.data = mem_new(STATE_ROOM, 1), .size = STATE_ROOM};
    struct hash128 digest;
    char path[PATH_MAX_], *table;
    size_t len;

    write_state(t, &p);
    TRY(put_and_free(dir, "train.bin", (char *)p.data, p.at));
    caption_table_write(&t->reward.table, &table, &len);
    TRY(put_and_free(dir, "rewards.bin", table, len));
    if (t->reward.kind->save != NULL) {
        t->reward.kind->save(&t->reward, &table, &len);
        TRY(put_and_free(dir, "model.bin", table, len));
    }
    if (!text_format(path, sizeof(path), "%s/policy.bin", dir)) {
        LOG_ERROR("TRAIN-PATH", "the path of %s is too long", dir);
        return ST_INVALID;
    }
    return snapshot_write(path, policy_params(t->policy), extra, adam_names, 2,
                          &digest);
}

/* Which windows a label marks depends on when this rank first met its caption. */
static void own_table_name(const struct train *t, char name[32])
{
    const int rank = ranks_index(t->ranks);

    text_format(name, 32, rank == 0 ? "rewards.bin" : "rewards-%d.bin", rank);
}

static enum status put_replay(struct train *t, const char *dir)
{
    char name[32], *data;
    size_t len;

    if (!t->replaying.on) {
        return ST_OK;
    }
    replaying_file_name(ranks_index(t->ranks), name);
    replaying_write(&t->replaying, &data, &len);
    TRY(put_and_free(dir, name, data, len));
    if (ranks_index(t->ranks) == 0) {
        return ST_OK;
    }
    own_table_name(t, name);
    caption_table_write(&t->reward.table, &data, &len);
    return put_and_free(dir, name, data, len);
}

static enum status put_own(struct train *t, const char *dir)
{
    char name[32], *data;
    size_t len;

    counts_file_name((uint32_t)ranks_index(t->ranks), name);
    counts_write(&t->sampler.counts, &data, &len);
    TRY(put_and_free(dir, name, data, len));
    return put_replay(t, dir);
}

/* What each rank tells of its part. */
struct part {
    uint64_t cursor, weights, model;
    uint32_t ok;
};

static enum status collect_parts(struct train *t, enum status st, struct part *parts)
{
    const struct reward_kind *kind = t->reward.kind;
    const struct part mine = {.cursor = t->sampler.counts.cursor,
                              .weights = train_digest(t),
                              .model =
                                  kind->digest != NULL ? kind->digest(&t->reward) : 0,
                              .ok = st == ST_OK};
    size_t lens[RANKS_MAX];

    TRY(ranks_collect(t->ranks, bytes_of(&mine, sizeof(mine)), sizeof(mine),
                      (uint8_t *)parts, lens));
    for (int i = 0; i < ranks_count(t->ranks); i++) {
        if (parts[i].weights != parts[0].weights) {
            LOG_ERROR("TRAIN-DRIFT", "the weights of rank %d differ from rank 0's", i);
            return ST_CORRUPT;
        }
        if (parts[i].model != parts[0].model) {
            LOG_ERROR("TRAIN-DRIFT",
                      "the reward's model of rank %d differs from rank 0's", i);
            return ST_CORRUPT;
        }
        if (!parts[i].ok) {
            return ST_IO; // that rank said why
        }
    }
    return ST_OK;
}

static void fill_manifest(const struct train *t, const struct part *parts,
                          struct checkpoint_manifest *m)
{
    *m = (struct checkpoint_manifest){
        .run = t->plan.run,
        .update = t->update,
        .env_steps = t->env_steps,
        .ranks = (uint32_t)ranks_count(t->ranks),
        .start = t->plan.start,
        .ledger_serial = t->exchange.ledger_serial,
        .policy_digest = policy_digest(t->policy),
        .actions = t->plan.shape.actions,
        .segment_steps = (int)t->options.segment_steps,
        .value_heads = policy_heads(t->policy),
        .spec_digest = t->plan.spec_digest,
    };
    text_format(m->net, sizeof(m->net), "%s", t->plan.shape.net);
    text_format(m->task, sizeof(m->task), "%s", t->options.env);
    for (uint32_t i = 0; i < m->ranks; i++) {
        m->cursor[i] = parts[i].cursor;
    }
}

/* Rank 0 closes the folder; all hear whether it worked and what is the older one's cursor,
 * before which alone the store may evict. */
static enum status finish(struct train *t, const char *dir, const struct part *parts)
{
    static struct checkpoint_manifest m, older; // 2 KB each; training thread only
    uint64_t cursors[RANKS_MAX] = {0};
    size_t len = 0;
    enum status st = ST_OK;

    if (ranks_index(t->ranks) == 0) {
        fill_manifest(t, parts, &m);
        st = checkpoint_finish(t->options.run_dir, dir, &m, &older);
        len = st == ST_OK ? sizeof(uint64_t) * m.ranks : 0;
        memcpy(cursors, older.cursor, sizeof(uint64_t) * m.ranks);
    }
    TRY(ranks_share(t->ranks, cursors, &len, sizeof(cursors)));
    if (len == 0) {
        return st == ST_OK ? ST_IO : st;
    }
    const struct to_io out = {.kind = TO_IO_CHECKPOINTED,
                              .segment = {.serial = t->sampler.counts.cursor,
                                          .older = cursors[ranks_index(t->ranks)]}};
    sampler_tell(t->plan.rings.to_io, &out);
    return ST_OK;
}

enum status train_checkpoint(struct train *t)
{
    static struct part parts[RANKS_MAX]; // training thread only
    char dir[PATH_MAX_] = "";
    size_t len = 0;
    enum status st = ST_OK;

    if (ranks_index(t->ranks) == 0) {
        st = checkpoint_begin(t->options.run_dir, t->update, dir, sizeof(dir));
        len = st == ST_OK ? strlen(dir) + 1 : 0;
    }
    TRY(ranks_share(t->ranks, dir, &len, sizeof(dir)));
    if (len == 0) {
        return st == ST_OK ? ST_IO : st;
    }
    st = put_own(t, dir);
    if (st == ST_OK && ranks_index(t->ranks) == 0) {
        st = put_shared(t, dir);
    }
    TRY(collect_parts(t, st, parts));
    TRY(finish(t, dir, parts));
    t->checkpoint_due = false;
    t->checkpoint_ns = clock_ns(t->plan.clock);
    t->checkpoint_update = t->update;
    t->checkpoint_bytes = t->sampler.bytes;
    return ST_OK;
}

/* ---- going on ---- */

static enum status load_policy(struct train *t, const char *dir)
{
    float *const extra[2] = {t->adam.first, t->adam.second};
    char path[PATH_MAX_];

    text_format(path, sizeof(path), "%s/policy.bin", dir);
    TRY(snapshot_read(path, policy_params(t->policy), extra, adam_names, 2));
    policy_weights_changed(t->policy);
    return ST_OK;
}

static enum status load_model(struct train *t, const char *dir)
{
    char *data;
    size_t len;

    if (t->reward.kind->load == NULL) {
        return ST_OK;
    }
    TRY(checkpoint_get(dir, "model.bin", &data, &len));
    const enum status st = t->reward.kind->load(&t->reward, bytes_of(data, len));
    mem_free(data);
    return st;
}

static bool holds(const char *dir, const char *name)
{
    char path[PATH_MAX_];

    return text_format(path, sizeof(path), "%s/%s", dir, name) && file_exists(path);
}

static enum status load_table(struct train *t, const char *dir)
{
    char name[32], *data;
    size_t len;

    own_table_name(t, name);
    TRY(checkpoint_get(dir, t->replaying.on && holds(dir, name) ? name : "rewards.bin",
                       &data, &len));
    const enum status st = caption_table_read(&t->reward.table, bytes_of(data, len));
    mem_free(data);
    return st;
}

/* A checkpoint that was made without replay has none: there is nothing to draw yet. */
static enum status load_replay(struct train *t, const char *dir)
{
    char name[32], *data;
    size_t len;

    replaying_file_name(ranks_index(t->ranks), name);
    if (!t->replaying.on || !holds(dir, name)) {
        return ST_OK;
    }
    TRY(checkpoint_get(dir, name, &data, &len));
    const enum status st = replaying_read(&t->replaying, bytes_of(data, len));
    mem_free(data);
    return st;
}

enum status train_load(struct train *t, const struct checkpoint_manifest *m,
                       const char *dir)
{
    char name[32], *data;
    size_t len;

    TRY(load_policy(t, dir));
    TRY(checkpoint_get(dir, "train.bin", &data, &len));
    enum status st = read_state(t, bytes_of(data, len));
    mem_free(data);
    TRY(st);
    TRY(load_table(t, dir));
    TRY(load_model(t, dir));
    TRY(load_replay(t, dir));
    counts_file_name((uint32_t)ranks_index(t->ranks), name);
    TRY(checkpoint_get(dir, name, &data, &len));
    counts_release(&t->sampler.counts);
    st = counts_read(bytes_of(data, len), &t->sampler.counts);
    mem_free(data);
    TRY(st);
    t->checkpoint_update = m->update;
    t->checkpoint_ns = clock_ns(t->plan.clock);
    // Used seconds go on from the start: what came before is in seconds_before.
    t->began_s = clock_s(t->plan.clock);
    return ST_OK;
}
