/* ELLM-BoW: a caption pays the cosine between the sum of its words' vectors and that of the
 * goal's sentence, as the reference's cosine-bow does with fastText's vectors. No judge, no
 * labels; what it pays depends on the caption and the file alone. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/reward/peers.h"
#include "learner/reward/reward_pays.h"
#include "learner/reward/wordvec.h"

enum {
    WORD_MOST = 256, // a caption has at most 255 bytes
    SCORES = 1 << 14,
    // Vectors worth the name are learned on text enough for more words than this.
    TOY_WORDS = 100000
};

/* What a caption was found to pay; a slot is simply taken over. */
struct bow_score {
    struct hash128 key;
    float score;
    uint8_t words, known, used;
};

struct bow {
    struct wordvec *file;
    double *goal, *sum; // (dim)
    double goal_length;
    struct bow_score *scores; // (SCORES)
    bool failed;              // the file, since the last fit
    double words, known; // of the captions that came, by emissions, since this start
};

/* ---- a text's vector ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static struct bytes without_punctuation(struct bytes word)
{
    const char *at = word.data;
    size_t len = word.len;

    for (; len > 0 && is_punctuation(at[len - 1]); len--) {
    }
    for (; len > 0 && is_punctuation(*at); at++, len--) {
    }
    return bytes_of(at, len);
}

static struct bytes lower(struct bytes word, char out[WORD_MOST])
{
    const char *from = word.data;

    for (size_t i = 0; i < word.len; i++) {
        out[i] =
            (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
    }
    return bytes_of(out, word.len);
}

/* As it stands, else without the punctuation around it, else in small letters too. The
 * reference's binary model makes a vector for any string out of its pieces; a .vec file
 * holds words alone, and "chest." is none. */
static enum status find_word(struct bow *b, struct bytes word, const float **v)
{
    char small[WORD_MOST];
    const struct bytes bare = without_punctuation(word);

    if (word.len > WORD_MOST) {
        return ST_NOTFOUND;
    }
    enum status st = wordvec_find(b->file, word, v);
    if (st == ST_NOTFOUND && bare.len > 0) {
        st = bare.len < word.len ? wordvec_find(b->file, bare, v) : st;
        st = st == ST_NOTFOUND ? wordvec_find(b->file, lower(bare, small), v) : st;
    }
    return st;
}

/* sum (dim) = of the words that the file knows; how many there are and are known. */
static enum status sum_words(struct bow *b, struct bytes text, double *sum, int *words,
                             int *known)
{
    const int dim = wordvec_dim(b->file);
    const char *at = text.data, *end = at + text.len;

    memset(sum, 0, sizeof(double) * (size_t)dim);
    *words = *known = 0;
    while (at < end) {
        const char *begin = at;
        const float *v;
        for (; at < end && !is_space(*at); at++) {
        }
        if (at > begin) {
            const enum status st =
                find_word(b, bytes_of(begin, (size_t)(at - begin)), &v);
            ++*words;
            if (st == ST_OK) {
                ++*known;
                for (int i = 0; i < dim; i++) {
                    sum[i] += (double)v[i];
                }
            } else if (st != ST_NOTFOUND) {
                return st;
            }
        }
        at += at < end;
    }
    return ST_OK;
}

static double length_of(const double *v, int dim)
{
    double sum = 0;

    for (int i = 0; i < dim; i++) {
        sum += v[i] * v[i];
    }
    return sqrt(sum);
}

/* ---- what it pays ---- */

static enum status score_text(struct bow *b, struct bytes text, double threshold,
                              struct bow_score *out)
{
    const int dim = wordvec_dim(b->file);
    double dot = 0;
    int words, known;

    TRY(sum_words(b, text, b->sum, &words, &known));
    const double length = length_of(b->sum, dim);
    for (int i = 0; i < dim; i++) {
        dot += b->sum[i] * b->goal[i];
    }
    const double cosine = length > 0 ? dot / (length * b->goal_length) : 0;
    out->score = cosine > threshold ? (float)cosine : 0;
    out->words = (uint8_t)(words < UINT8_MAX ? words : UINT8_MAX);
    out->known = (uint8_t)(known < UINT8_MAX ? known : UINT8_MAX);
    return ST_OK;
}

static void score_bow(struct reward *r, float *score, const struct reward_rows *in)
{
    struct bow *b = r->state;

    for (int i = 0; i < in->texts; i++) {
        struct bow_score *s = &b->scores[in->key[i].lo % SCORES];
        score[i] = 0;
        if (in->text[i].len == 0 || b->failed) {
            continue;
        }
        if (!s->used || !hash_equal(s->key, in->key[i])) {
            *s = (struct bow_score){.key = in->key[i]};
            b->failed =
                score_text(b, in->text[i], r->options.bow_threshold, s) != ST_OK;
            s->used = !b->failed;
            reward_note_score(r, in->key[i], s->score);
        }
        score[i] = s->score;
        b->words += (double)s->words * in->emissions[i];
        b->known += (double)s->known * in->emissions[i];
    }
}

/* Nothing is fitted; but here, before the weights learn from it, a score that could not be
 * told ends the run. */
static enum status check_bow(struct reward *r, uint64_t update)
{
    const struct bow *b = r->state;

    (void)update;
    return b->failed ? ST_CORRUPT : ST_OK;
}

/* ---- opening ---- */

/* The first line of a goal file that is neither empty nor a comment (judge/goals). */
static struct bytes sentence_of(struct bytes goal)
{
    const char *at = goal.data, *end = at + goal.len;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        for (; at < stop && is_space(*at); at++) {
        }
        if (at < stop && *at != '#') {
            return bytes_of(at, (size_t)(stop - at));
        }
        at = stop + 1;
    }
    return bytes_of(end, 0);
}

/* One file on all ranks: else the same caption would pay differently. A rank that is
 * stopped while it reads must not leave the others waiting. */
static enum status agree_on_file(const struct reward *r)
{
    const struct bow *b = r->state;
    double stopped = b->file == NULL ? 1 : 0;
    bool same;

    if (r->peers.count > 1) {
        TRY(r->peers.agree(r->peers.ctx, &stopped, 1));
    }
    if (stopped > 0) {
        return ST_CLOSED;
    }
    TRY(peers_same_digest(&r->peers, wordvec_digest(b->file), &same));
    if (!same) {
        LOG_ERROR("BOW-VECTORS",
                  "%s is not the same file on all ranks, rank %d reads another",
                  r->options.word_vectors, r->peers.index);
    }
    return same ? ST_OK : ST_INVALID;
}

static enum status take_goal(struct reward *r)
{
    struct bow *b = r->state;
    const struct bytes sentence = sentence_of(r->options.goal);
    const int dim = wordvec_dim(b->file);
    int words, known;

    b->goal = mem_new((size_t)dim, sizeof(double));
    b->sum = mem_new((size_t)dim, sizeof(double));
    TRY(sum_words(b, sentence, b->goal, &words, &known));
    b->goal_length = length_of(b->goal, dim);
    if (b->goal_length <= 0) {
        LOG_ERROR("BOW-GOAL",
                  "%s knows none of the goal's %d words, '%.*s', or they cancel out: "
                  "nothing could be paid",
                  r->options.word_vectors, words, (int)sentence.len,
                  (const char *)sentence.data);
        return ST_INVALID;
    }
    LOG_INFO("BOW-OPEN",
             "%" PRIu64 " words of %d numbers in %s%s, which knows %d of the goal's %d "
             "words",
             wordvec_words(b->file), dim, r->options.word_vectors,
             wordvec_words(b->file) < TOY_WORDS ? ", toy vectors" : "", known, words);
    r->note = wordvec_words(b->file) < TOY_WORDS ? "toy vectors" : NULL;
    return ST_OK;
}

static enum status open_bow(struct reward *r)
{
    struct bow *b = r->state = mem_new(1, sizeof(*b));

    b->scores = mem_new(SCORES, sizeof(*b->scores));
    if (r->options.word_vectors == NULL || r->options.word_vectors[0] == '\0') {
        LOG_ERROR("BOW-VECTORS",
                  "--reward=bow needs --word-vectors=FILE, words and their vectors as "
                  "text; fastText's are the reference's, crawl-300d-2M.vec unpacked "
                  "from https://fasttext.cc/docs/en/english-vectors.html");
        return ST_INVALID;
    }
    const enum status st = wordvec_open(r->options.word_vectors, &b->file);
    if (st != ST_OK && st != ST_CLOSED) {
        return st;
    }
    TRY(agree_on_file(r));
    return take_goal(r);
}

static void close_bow(struct reward *r)
{
    struct bow *b = r->state;

    wordvec_close(b->file);
    mem_free(b->goal);
    mem_free(b->sum);
    mem_free(b->scores);
    mem_free(b);
}

/* ---- checkpoint and report ---- */

static void save_bow(const struct reward *r, char **data, size_t *len)
{
    const struct bow *b = r->state;
    const struct hash128 digest = wordvec_digest(b->file);

    *len = sizeof(digest);
    *data = mem_new(*len, 1);
    memcpy(*data, &digest, sizeof(digest));
}

static enum status load_bow(struct reward *r, struct bytes from)
{
    const struct bow *b = r->state;
    const struct hash128 is = wordvec_digest(b->file);
    struct hash128 was;
    char now[33], then[33];

    if (from.len != sizeof(was)) {
        LOG_ERROR("BOW-STATE", "%zu bytes are not what a checkpoint keeps of bow",
                  from.len);
        return ST_CORRUPT;
    }
    memcpy(&was, from.data, sizeof(was));
    if (!hash_equal(was, is)) {
        hash_hex(is, now);
        hash_hex(was, then);
        LOG_ERROR("BOW-VECTORS",
                  "the run was begun with word vectors of digest %s, %s has %s; give "
                  "the same file again, or begin another run directory",
                  then, r->options.word_vectors, now);
        return ST_INVALID;
    }
    return ST_OK;
}

static void report_bow(const struct reward *r, struct metrics_row *m, bool summary)
{
    const struct bow *b = r->state;
    char digest[33];

    metrics_num(m, "words_known_share", b->words > 0 ? b->known / b->words : NAN);
    if (summary) {
        hash_hex(wordvec_digest(b->file), digest);
        metrics_text(m, "word_vectors",
                     wordvec_words(b->file) < TOY_WORDS ? "toy vectors" : "vectors");
        metrics_int(m, "word_vectors_words", (int64_t)wordvec_words(b->file));
        metrics_int(m, "word_vectors_dim", wordvec_dim(b->file));
        metrics_text(m, "word_vectors_digest", digest);
    }
}

const struct reward_kind reward_bow = {
    .name = "bow",
    .open = open_bow,
    .close = close_bow,
    .fit = check_bow,
    .score = score_bow,
    .pays = reward_pays_score,
    .in_words = "cosine of its words and the goal's, 0 up to --bow-threshold",
    .save = save_bow,
    .load = load_bow,
    .report = report_bow};
