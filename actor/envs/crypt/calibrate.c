#include "actor/envs/crypt/calibrate.h"

#include <math.h>
#include <regex.h>
#include <string.h>

#include "actor/envs/crypt/crypt.h"
#include "actor/envs/crypt/dungeon.h"
#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/* A set of caption hashes, open addressing, full at half. */
struct caption_set {
    uint64_t *slots;
    uint64_t mask;
    int64_t count;
    bool full; // count is then a lower bound
};

static void set_add(struct caption_set *s, uint64_t hash)
{
    uint64_t i = hash & s->mask;

    hash |= hash == 0;
    while (s->slots[i] != 0) {
        if (s->slots[i] == hash) {
            return;
        }
        i = (i + 1) & s->mask;
    }
    s->full = (uint64_t)s->count >= s->mask / 2;
    if (!s->full) {
        s->slots[i] = hash;
        s->count++;
    }
}

static struct caption_set set_new(int bits)
{
    return (struct caption_set){.slots = mem_new((size_t)1 << bits, sizeof(uint64_t)),
                                .mask = (UINT64_C(1) << bits) - 1};
}

struct counts {
    int64_t episodes, successes, first, second, deaths, steps, captions, progress;
    double score;
    struct caption_set distinct, distinct_progress;
};

/* One game and who plays it. */
struct play {
    struct env *env;
    struct crypt *g; // the same, seen from inside
    enum crypt_player player;
    struct rng rng;
    struct rng_stream stream;
};

static enum status play_open(struct play *p, const char *task, const char *overrides,
                             enum crypt_player player, uint64_t seed)
{
    const struct env_options options = {
        .task = task, .overrides = overrides, .scratch = ""};

    *p = (struct play){.player = player, .stream = {.seed = seed, .role = RNG_ENV}};
    TRY(env_crypt.open(&options, &p->env));
    p->g = (struct crypt *)p->env;
    rng_init_stream(&p->rng, &(struct rng_stream){.seed = seed, .role = RNG_ACTOR});
    return ST_OK;
}

static enum status play_reset(struct play *p)
{
    enum status st = env_crypt.reset(p->env, &p->stream);

    p->stream.episode++;
    return st;
}

static bool play_step(struct play *p)
{
    struct env_result result;
    int action = p->player == PLAYER_SCRIPT ? crypt_script(p->env)
                                            : (int)rng_below(&p->rng, CRYPT_ACTIONS);

    env_crypt.send(p->env, action);
    env_crypt.receive(p->env, &result);
    return result.terminated || result.truncated;
}

static void count_caption(struct counts *n, const struct play *p)
{
    const struct env_obs *o = &p->g->obs;
    int strength = 0;

    n->steps++;
    if (o->caption_len == 0) {
        return;
    }
    n->captions++;
    uint64_t hash = hash_64(bytes_of(o->caption, o->caption_len));
    set_add(&n->distinct, hash);
    if (env_crypt.truth(p->env, o->event, &strength)) {
        n->progress++;
        set_add(&n->distinct_progress, hash);
    }
}

/* First and second subgoal: levels two and three, or key and lock. */
static void count_episode(struct counts *n, const struct play *p)
{
    const struct crypt *g = p->g;
    uint32_t ach = g->summary.achievements;
    struct env_summary s;
    bool vault = g->task.kind == TASK_VAULT;

    env_crypt.summary(p->env, &s);
    n->episodes++;
    n->successes += s.success;
    n->first += (int)(ach >> (vault ? ACH_KEY : ACH_LEVEL2) & 1);
    n->second += (int)(ach >> (vault ? ACH_UNLOCK : ACH_LEVEL3) & 1);
    n->deaths += g->hp <= 0 && !s.success;
    n->score += (double)s.score;
}

/* The largest rate under which k or fewer of n successes still have chance 5 %
 * (Clopper-Pearson, one-sided), by bisection; the binomial sum ends at k. */
static double upper_bound(int64_t k, int64_t n)
{
    double low = (double)k / (double)n;
    double high = 1;

    for (int i = 0; i < 60 && k < n; i++) {
        double p = (low + high) / 2;
        double sum = 0;
        for (int64_t j = 0; j <= k; j++) {
            double a = (double)j;
            double b = (double)(n - j);
            sum += exp(lgamma(a + b + 1) - lgamma(a + 1) - lgamma(b + 1) + a * log(p) +
                       b * log1p(-p));
        }
        if (sum > 0.05) {
            low = p;
        } else {
            high = p;
        }
    }
    return k < n ? high : 1;
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

static void report(const struct counts *n, const struct task *t,
                   struct metrics_row *out)
{
    metrics_text(out, "task", t->name);
    metrics_int(out, "episodes", n->episodes);
    metrics_num(out, "success", share(n->successes, n->episodes));
    metrics_num(out, "success_upper95", upper_bound(n->successes, n->episodes));
    metrics_num(out, "first_subgoal", share(n->first, n->episodes));
    metrics_num(out, "second_given_first", share(n->second, n->first));
    metrics_num(out, "deaths", share(n->deaths, n->episodes));
    metrics_num(out, "length_of_limit",
                share(n->steps, n->episodes * (int64_t)t->c.limit));
    metrics_num(out, "score_mean", n->score / (double)n->episodes);
    metrics_num(out, "caption_share", share(n->captions, n->steps));
    metrics_num(out, "progress_share", share(n->progress, n->steps));
    metrics_int(out, "distinct_captions", n->distinct.count);
    metrics_int(out, "distinct_progress", n->distinct_progress.count);
    metrics_int(out, "steps", n->steps);
}

enum status crypt_calibrate_player(const char *task, const char *overrides,
                                   enum crypt_player player, int episodes,
                                   uint64_t seed, struct metrics_row *out)
{
    struct counts n = {0};
    struct play p;
    enum status st = ST_OK;

    if (episodes < 1) {
        LOG_ERROR("CRYPT-CALIBRATE", "episodes is %d, allowed are 1 and more",
                  episodes);
        return ST_INVALID;
    }
    TRY(play_open(&p, task, overrides, player, seed));
    n.distinct = set_new(24);
    n.distinct_progress = set_new(14);
    for (int i = 0; i < episodes; i++) {
        bool over = false;
        st = play_reset(&p);
        if (st != ST_OK) {
            goto out;
        }
        while (!over) {
            over = play_step(&p);
            count_caption(&n, &p);
        }
        count_episode(&n, &p);
    }
    report(&n, &p.g->task, out);
out:
    mem_free(n.distinct.slots);
    mem_free(n.distinct_progress.slots);
    env_crypt.close(p.env);
    return st;
}

enum status crypt_calibrate(const char *task, int episodes, uint64_t seed,
                            struct metrics_row *out)
{
    return crypt_calibrate_player(task, "", PLAYER_RANDOM, episodes, seed, out);
}

enum { RULES_MAX = 32, RULES_BYTES_MAX = 65536 };

struct rules {
    regex_t patterns[RULES_MAX];
    int count;
};

static void rules_release(struct rules *r)
{
    while (r->count > 0) {
        regfree(&r->patterns[--r->count]);
    }
}

static enum status rules_add(struct rules *r, const char *path, const char *line)
{
    const char *pattern = strchr(line, ' ');

    if (line[0] < '1' || line[0] > '3' || pattern != line + 1 ||
        r->count == RULES_MAX ||
        regcomp(&r->patterns[r->count], pattern + 1,
                REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
        LOG_ERROR("CRYPT-CALIBRATE", "%s: '%s' is no STRENGTH PATTERN line", path,
                  line);
        return ST_INVALID;
    }
    r->count++;
    return ST_OK;
}

static enum status rules_read(struct rules *r, const char *path)
{
    char *text = NULL;
    char *rest = NULL;
    size_t len = 0;
    enum status st = file_read(path, RULES_BYTES_MAX, &text, &len);

    if (st != ST_OK) {
        if (st == ST_NOTFOUND) {
            LOG_ERROR("CRYPT-CALIBRATE", "there is no rules file %s", path);
        }
        return st;
    }
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && st == ST_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] != '#') {
            st = rules_add(r, path, line);
        }
    }
    mem_free(text);
    return st;
}

static bool rules_match(const struct rules *r, const char *caption)
{
    for (int i = 0; i < r->count; i++) {
        if (regexec(&r->patterns[i], caption, 0, NULL, 0) == 0) {
            return true;
        }
    }
    return false;
}

struct confusion {
    int64_t both, truth, rule, said;
};

static void compare(struct confusion *c, const struct rules *r, const struct play *p)
{
    const struct env_obs *o = &p->g->obs;
    int strength = 0;

    if (o->caption_len == 0 || o->event == EV_READ) {
        return;
    }
    bool truth = env_crypt.truth(p->env, o->event, &strength) != 0;
    bool rule = rules_match(r, (const char *)o->caption);
    c->said++;
    c->truth += truth;
    c->rule += rule;
    c->both += truth && rule;
}

enum status crypt_calibrate_rules(const char *task, const char *rules_path,
                                  enum crypt_player player, int64_t steps,
                                  uint64_t seed, struct metrics_row *out)
{
    struct rules rules = {.count = 0};
    struct confusion c = {0};
    struct play p = {0};
    enum status st = rules_read(&rules, rules_path);
    bool over = true;

    if (st != ST_OK) {
        goto out;
    }
    st = play_open(&p, task, "", player, seed);
    for (int64_t i = 0; i < steps && st == ST_OK; i++) {
        if (over) {
            st = play_reset(&p);
        }
        over = play_step(&p);
        compare(&c, &rules, &p);
    }
    if (st == ST_OK) {
        metrics_text(out, "task", task);
        metrics_int(out, "emissions", c.said);
        metrics_int(out, "true_emissions", c.truth);
        metrics_num(out, "precision", share(c.both, c.rule));
        metrics_num(out, "recall", share(c.both, c.truth));
    }
out:
    if (p.env != NULL) {
        env_crypt.close(p.env);
    }
    rules_release(&rules);
    return st;
}
