#include "learner/train/journal.h"

#include "learner/train/sampler.h"

enum { FIXED_BYTES = 4 * 4 + 8 * 8 + 8 + 8 + 8 + 4 + 7 * 8 + 4 + 2 * 4 + 7 * 8 };

size_t journal_size(uint32_t serials, uint32_t labels, uint32_t scored)
{
    return FIXED_BYTES + 8 * (size_t)serials + (size_t)JOURNAL_LABEL_MOST * labels +
           (size_t)JOURNAL_SCORED_BYTES * scored;
}

static void write_label(struct pack *p, const struct ring_verdict *v)
{
    pack_u64(p, v->ledger_serial);
    pack_put(p, &v->key, sizeof(v->key));
    pack_put(p, &v->p, sizeof(v->p));
    pack_put(p, &v->kind, 1);
    pack_put(p, &v->captions, 1);
    for (int i = 0; v->captions > 1 && i < v->captions; i++) {
        pack_put(p, &v->caption[i], sizeof(v->caption[i]));
        pack_put(p, &v->place[i], 1);
    }
}

static void read_label(struct unpack *u, struct ring_verdict *v)
{
    *v = (struct ring_verdict){.ledger_serial = unpack_u64(u)};
    unpack_get(u, &v->key, sizeof(v->key));
    unpack_get(u, &v->p, sizeof(v->p));
    unpack_get(u, &v->kind, 1);
    unpack_get(u, &v->captions, 1);
    u->bad = u->bad || v->captions == 0 || v->captions > ITEM_CAPTIONS_MAX;
    for (int i = 0; !u->bad && v->captions > 1 && i < v->captions; i++) {
        unpack_get(u, &v->caption[i], sizeof(v->caption[i]));
        unpack_get(u, &v->place[i], 1);
    }
}

void journal_write(struct pack *p, const struct journal_row *row)
{
    pack_u32(p, JOURNAL_FORMAT);
    pack_u32(p, row->pass);
    pack_u64(p, row->update);
    pack_u64(p, row->env_steps);
    pack_f64(p, row->samples);
    pack_f64(p, row->lr);
    pack_f64(p, row->mean);
    pack_f64(p, row->scale);
    pack_f64(p, row->intrinsic_mean);
    pack_f64(p, row->intrinsic_scale);
    pack_u64(p, row->weights);
    pack_u32(p, row->drawn);
    pack_put(p, row->serials, 8 * (size_t)row->drawn);
    pack_u32(p, row->replayed);
    pack_put(p, row->replayed_serials, 8 * (size_t)row->replayed);
    pack_u64(p, row->ledger_serial);
    pack_u64(p, row->reward_version);
    pack_u32(p, row->labels);
    for (uint32_t i = 0; i < row->labels; i++) {
        write_label(p, &row->label[i]);
    }
    pack_u64(p, row->model_version);
    pack_f64(p, row->ramp);
    pack_f64(p, row->score_mean);
    pack_f64(p, row->score_sigma);
    pack_u64(p, row->model_steps);
    pack_u64(p, row->model_chance);
    pack_u64(p, row->model);
    pack_u32(p, row->scored_count);
    for (uint32_t i = 0; i < row->scored_count; i++) {
        pack_put(p, &row->scored[i].key, sizeof(row->scored[i].key));
        pack_put(p, &row->scored[i].score, sizeof(row->scored[i].score));
    }
    pack_u32(p, row->start);
    pack_u32(p, row->pays);
    pack_u64(p, row->ledger_paid);
    pack_f64(p, row->a_ext);
    pack_f64(p, row->a_int);
    pack_f64(p, row->reward_scale);
    pack_f64(p, row->clip);
    pack_f64(p, row->beta);
    pack_f64(p, row->eta);
}

/* Borrows `bytes` bytes; NULL when they are not there. */
static const void *borrow(struct unpack *u, size_t bytes)
{
    const uint8_t *at = u->data + u->at;

    if (u->bad || bytes > u->size - u->at) {
        u->bad = true;
        return NULL;
    }
    u->at += bytes;
    return at;
}

enum status journal_read(struct bytes b, struct journal_row *out)
{
    struct unpack u = unpack_of(b);
    struct journal_row row = {0};

    if (unpack_u32(&u) != JOURNAL_FORMAT) {
        return u.bad ? ST_CORRUPT : ST_VERSION;
    }
    row.pass = unpack_u32(&u);
    row.update = unpack_u64(&u);
    row.env_steps = unpack_u64(&u);
    row.samples = unpack_f64(&u);
    row.lr = unpack_f64(&u);
    row.mean = unpack_f64(&u);
    row.scale = unpack_f64(&u);
    row.intrinsic_mean = unpack_f64(&u);
    row.intrinsic_scale = unpack_f64(&u);
    row.weights = unpack_u64(&u);
    row.drawn = unpack_u32(&u);
    row.serials = borrow(&u, 8 * (size_t)row.drawn);
    row.replayed = unpack_u32(&u);
    row.replayed_serials = borrow(&u, 8 * (size_t)row.replayed);
    row.ledger_serial = unpack_u64(&u);
    row.reward_version = unpack_u64(&u);
    row.labels = unpack_u32(&u);
    const size_t at = u.at;
    struct ring_verdict label;
    for (uint32_t i = 0; !u.bad && i < row.labels; i++) {
        read_label(&u, &label);
    }
    row.label_bytes = bytes_of((const uint8_t *)b.data + at, u.at - at);
    row.model_version = unpack_u64(&u);
    row.ramp = unpack_f64(&u);
    row.score_mean = unpack_f64(&u);
    row.score_sigma = unpack_f64(&u);
    row.model_steps = unpack_u64(&u);
    row.model_chance = unpack_u64(&u);
    row.model = unpack_u64(&u);
    row.scored_count = unpack_u32(&u);
    const size_t scored = (size_t)JOURNAL_SCORED_BYTES * row.scored_count;
    row.scored_bytes = bytes_of(borrow(&u, scored), scored);
    row.start = unpack_u32(&u);
    row.pays = unpack_u32(&u);
    row.ledger_paid = unpack_u64(&u);
    row.a_ext = unpack_f64(&u);
    row.a_int = unpack_f64(&u);
    row.reward_scale = unpack_f64(&u);
    row.clip = unpack_f64(&u);
    row.beta = unpack_f64(&u);
    row.eta = unpack_f64(&u);
    if (u.bad || u.at != u.size) {
        return ST_CORRUPT;
    }
    *out = row;
    return ST_OK;
}

static uint64_t serial_at(const uint64_t *serials, uint32_t i)
{
    uint64_t serial;

    memcpy(&serial, (const uint8_t *)serials + 8 * (size_t)i, sizeof(serial));
    return serial;
}

uint64_t journal_serial(const struct journal_row *row, uint32_t i)
{
    return serial_at(row->serials, i);
}

uint64_t journal_replayed(const struct journal_row *row, uint32_t i)
{
    return serial_at(row->replayed_serials, i);
}

struct fitting_scored journal_scored(const struct journal_row *row, uint32_t i)
{
    const uint8_t *at =
        (const uint8_t *)row->scored_bytes.data + (size_t)JOURNAL_SCORED_BYTES * i;
    struct fitting_scored s;

    memcpy(&s.key, at, sizeof(s.key));
    memcpy(&s.score, at + sizeof(s.key), sizeof(s.score));
    return s;
}

bool journal_next_label(struct bytes *left, struct ring_verdict *out)
{
    struct unpack u = unpack_of(*left);

    if (left->len == 0) {
        return false;
    }
    read_label(&u, out);
    *left = bytes_of((const uint8_t *)left->data + u.at, u.bad ? 0 : left->len - u.at);
    return !u.bad;
}

void journal_tell(struct ring *to_io, uint64_t update, struct bytes row)
{
    const uint8_t *at = row.data;

    for (size_t left = row.len; left > 0;) {
        struct to_io m = {.kind = TO_IO_JOURNAL, .journal = {.update = update}};
        const size_t piece = left < RING_JOURNAL_PIECE ? left : RING_JOURNAL_PIECE;
        m.journal.len = (uint8_t)piece;
        m.journal.last = piece == left;
        memcpy(m.journal.data, at, piece);
        sampler_tell(to_io, &m);
        at += piece;
        left -= piece;
    }
}
