#include "launch/plan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/text.h"
#include "launch/judging.h"
#include "launch/owned.h"
#include "launch/port.h"
#include "launch/process.h"

enum { PORT_MOST = 65535, BEFORE_MOST = 1 << 20 };

/* What may differ when a run is gone on with; the rest is what the run is. */
static const char *const may_change[] = {"steps",
                                         "seconds",
                                         "lr",
                                         "lr-end",
                                         "actors",
                                         "judge",
                                         "judges",
                                         "port",
                                         "bind",
                                         "hostfile",
                                         "quiet",
                                         "run-dir",
                                         "store-mb",
                                         "checkpoint-seconds",
                                         "log-level",
                                         "relabel",
                                         "word-vectors",
                                         "reward-model", // their digests decide
                                         NULL};

/* What concerns judges alone is a matter of each start: another judge asks nothing again. */
static bool changeable(const struct settings *s, int row)
{
    const char *name = s->row[row].name;

    if (s->owners[row] == OWNER_JUDGE) {
        return true;
    }
    for (int i = 0; may_change[i] != NULL; i++) {
        if (strcmp(name, may_change[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the run directory ---- */

static enum status new_run_dir(struct plan *p)
{
    const char *env = settings_get(&p->settings, "env");

    for (int n = 1; n < 100000; n++) {
        char path[512];
        if (!text_format(path, sizeof(path), "runs/%s-%d", env, n)) {
            break;
        }
        if (!file_exists(path)) {
            settings_put(&p->settings, "run-dir", "%s", path);
            return ST_OK;
        }
    }
    fprintf(stderr, "minos train: no free name in ./runs; give --run-dir\n");
    return ST_INVALID;
}

bool plan_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int entries = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return entries == 0;
}

/* Whether the directory given holds a run; false too where none is given. */
static enum status look_at_run_dir(struct plan *p, char config[PATH_MAX_])
{
    const char *dir = settings_get(&p->settings, "run-dir");

    p->resumed = false;
    if (dir[0] == '\0') {
        return ST_OK;
    }
    if (!text_format(config, PATH_MAX_, "%s/config.ini", dir)) {
        fprintf(stderr, "minos train: --run-dir: too long\n");
        return ST_INVALID;
    }
    p->resumed = file_exists(config);
    if (!p->resumed && file_exists(dir) && !plan_is_empty(dir)) {
        fprintf(stderr,
                "minos train: --run-dir: %s is neither empty nor a run directory: it "
                "has no config.ini\n",
                dir);
        return ST_INVALID;
    }
    return ST_OK;
}

enum status plan_make_dir(struct plan *p)
{
    char path[PATH_MAX_];
    const char *dir = settings_get(&p->settings, "run-dir");

    TRY(text_format(path, sizeof(path), "%s/logs", dir) ? file_make_dirs(path)
                                                        : ST_INVALID);
    char *absolute = realpath(dir, NULL);
    if (absolute != NULL &&
        !text_format(p->run_dir, sizeof(p->run_dir), "%s", absolute)) {
        free(absolute);
        absolute = NULL;
        errno = ENAMETOOLONG;
    }
    if (absolute == NULL) {
        fprintf(stderr, "minos %s: --run-dir: %s: %s\n", p->word, dir, strerror(errno));
        return ST_INVALID;
    }
    free(absolute);
    TRY(text_format(path, sizeof(path), "%s/control", p->run_dir) ? file_make_dirs(path)
                                                                  : ST_INVALID);
    (void)text_format(path, sizeof(path), "%s/minos.lock", p->run_dir);
    enum status st = file_lock(path, &p->lock_fd);
    if (st == ST_OK) {
        // Ranks that go on without a minos, or were started by hand.
        int learner = -1;
        (void)text_format(path, sizeof(path), "%s/learner.lock", p->run_dir);
        st = file_lock(path, &learner);
        if (learner >= 0) {
            close(learner);
        }
    }
    if (st == ST_AGAIN) {
        LOG_ERROR("MINOS-LOCK", "somebody else trains in %s; minos stop ends that",
                  p->run_dir);
    }
    return st;
}

/* ---- settings ---- */

void plan_find_family(struct plan *p)
{
    const char *env = settings_get(&p->settings, "env");

    text_format(p->family, sizeof(p->family), "%.*s", (int)strcspn(env, "-"), env);
}

/* Bandit and chain are small and short as the crypt is. */
static const char *preset_of(const struct plan *p)
{
    const bool nethack =
        strcmp(p->family, "nethack") == 0 || strcmp(p->family, "nle") == 0;

    return nethack ? "nethack" : "crypt";
}

/* conf/NAME.ini of the environment's family, or the one that --preset names; NAME is
 * empty where there is none. */
static enum status read_preset(struct plan *p, char name[OPTION_TEXT_MAX])
{
    char preset[OPTION_TEXT_MAX], relative[OPTION_TEXT_MAX + 16], path[PATH_MAX_];

    text_format(preset, sizeof(preset), "%s", settings_get(&p->settings, "preset"));
    plan_find_family(p);
    text_format(name, OPTION_TEXT_MAX, "%s", preset[0] != '\0' ? preset : preset_of(p));
    text_format(relative, sizeof(relative), "conf/%s.ini", name);
    settings_reset(&p->settings);
    if (share_path(relative, path, sizeof(path))) {
        return settings_read_file(&p->settings, path, false);
    }
    name[0] = '\0';
    if (preset[0] != '\0') {
        fprintf(stderr, "minos train: --preset: %s: there is no %s\n", preset, path);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status take_fresh(struct plan *p, int argc, char **argv)
{
    char preset[OPTION_TEXT_MAX];

    TRY(read_preset(p, preset));
    return settings_parse(&p->settings, argc, argv);
}

/* The run's own settings, then the command line; refuses what would make it another
 * run. */
static enum status take_resumed(struct plan *p, const char *config, int argc,
                                char **argv)
{
    static char before[SETTINGS_MAX][OPTION_TEXT_MAX];
    struct settings *s = &p->settings;

    settings_reset(s);
    TRY(settings_read_file(s, config, true));
    TRY(settings_check(s));
    if (settings_get(s, "relabel") != NULL) {
        settings_put(s, "relabel",
                     "false"); // of one start: the next asks nothing again
    }
    memcpy(before, s->value, sizeof(before));
    TRY(settings_parse(s, argc, argv));
    TRY(judging_find_goal(p));
    TRY(settings_check(s));
    for (int i = 0; i < s->count; i++) {
        const char *name = s->row[i].name;
        if (strcmp(s->value[i], before[i]) != 0 && !changeable(s, i)) {
            fprintf(
                stderr,
                "minos train: --%s: the run in %s has %s, not %s; a run keeps it "
                "(only steps, seconds, lr, lr-end, actors, judge, judges, port, bind, "
                "hostfile, store-mb, checkpoint-seconds, log-level, relabel, "
                "word-vectors, reward-model and what "
                "only judges read may change)\n",
                name, settings_get(s, "run-dir"),
                before[i][0] != '\0' ? before[i] : "nothing",
                s->value[i][0] != '\0' ? s->value[i] : "nothing");
            return ST_INVALID;
        }
    }
    return ST_OK;
}

/* ---- counts, port ---- */

static enum status choose_counts(struct plan *p)
{
    struct settings *s = &p->settings;
    struct topology *t = &p->topology;

    *t = (struct topology){
        .ranks = (int64_t)settings_number(s, "ranks"),
        .actors = (int64_t)settings_number(s, "actors"),
        .envs = settings_is_set(s, "envs") ? (int64_t)settings_number(s, "envs") : 0,
        .envs_total = (int64_t)settings_number(s, "envs-total"),
        .batch = (int64_t)settings_number(s, "batch"),
        .segment_steps = (int64_t)settings_number(s, "segment-steps"),
        .cores = topology_cores(),
        .games_apart = strcmp(p->family, "nethack") == 0};
    if (t->batch < 1 || t->segment_steps < 1) {
        fprintf(stderr, "minos train: --batch and --segment-steps must be above 0\n");
        return ST_INVALID;
    }
    TRY(topology_choose(t));
    settings_put(s, "ranks", "%lld", (long long)t->ranks);
    settings_put(s, "actors", "%lld", (long long)t->actors);
    settings_put(s, "envs", "%lld", (long long)t->envs);
    settings_put(s, "judges", "%lld", (long long)p->judges);
    const double windows = topology_windows(t);
    if (windows < 2 || windows > 8) {
        LOG_WARN("MINOS-WINDOW",
                 "%lld actors with %lld environments may have %.1f batches under way; "
                 "2 to 8 is healthy",
                 (long long)t->actors, (long long)t->envs, windows);
    }
    return ST_OK;
}

/* LMDB maps its files: on a network file system they would be damaged. */
static enum status check_store(const struct plan *p)
{
    const char *store = settings_get(&p->settings, "store-dir"), *kind = "";
    const char *run = settings_get(&p->settings, "run-dir");
    const bool elsewhere = store != NULL && store[0] != '\0';
    const char *dir = elsewhere ? store : run[0] != '\0' ? run : ".";

    if (file_on_network(dir, &kind)) {
        fprintf(stderr,
                "minos train: --store-dir: %s is on a network file system (%s), where "
                "the store would be damaged; name a directory on a local disk\n",
                dir, kind);
        return ST_INVALID;
    }
    return ST_OK;
}

/* What ranks on this machine could not listen on. On other hosts they find out. */
static enum status check_network(const struct plan *p)
{
    const struct settings *s = &p->settings;
    const char *bind = settings_get(s, "bind"), *hosts = settings_get(s, "hostfile");
    const int64_t port = (int64_t)settings_number(s, "port");

    if (hosts[0] != '\0' && !file_exists(hosts)) {
        fprintf(stderr, "minos train: --hostfile: there is no file %s\n", hosts);
        return ST_INVALID;
    }
    if (hosts[0] == '\0' && !port_address_is_ours(bind)) {
        fprintf(stderr,
                "minos train: --bind: %s is no numeric address of this machine; "
                "127.0.0.1, 0.0.0.0 or one that ip address shows\n",
                bind);
        return ST_INVALID;
    }
    if (port + p->topology.ranks - 1 > PORT_MOST) {
        fprintf(stderr, "minos train: --port: %lld ranks from port %lld on pass %d\n",
                (long long)p->topology.ranks, (long long)port, PORT_MOST);
        return ST_INVALID;
    }
    return ST_OK;
}

/* The ranks' ports as given. Where none is, rank 0 takes the one that it had before, or
 * the first free one from 7340 on, when it listens: between a look of ours and that moment
 * another program could take it. */
enum status plan_check_port(const struct plan *p)
{
    const struct settings *s = &p->settings;
    const int port = (int)settings_number(s, "port");

    if (port == 0 || settings_get(s, "hostfile")[0] != '\0') {
        return ST_OK; // other hosts' ports too: the ranks will say
    }
    const int used = port_in_use(settings_get(s, "bind"), port, (int)p->topology.ranks);
    if (used == 0) {
        return ST_OK;
    }
    fprintf(stderr,
            "minos %s: --port: port %d is in use by another process or not allowed; "
            "give another --port, or --port=0 for one that is free\n",
            p->word, used);
    return ST_INVALID;
}

/* Everything that is only looked at; nothing is made yet. */
static enum status decide(struct plan *p, int argc, char **argv)
{
    struct text_buf spec = {0};
    char config[PATH_MAX_] = "";

    // A first reading only says which preset and which directory are meant.
    TRY(settings_parse(&p->settings, argc, argv));
    TRY(look_at_run_dir(p, config));
    TRY(p->resumed ? take_resumed(p, config, argc, argv) : take_fresh(p, argc, argv));
    TRY(judging_check_words(p, argc, argv));
    plan_find_family(p);
    enum status st = judging_check_env(p, &spec);
    st = st == ST_OK ? settings_check(&p->settings) : st;
    st = st == ST_OK ? judging_check_goal(p, spec.data) : st;
    st = st == ST_OK ? judging_check_judge(p, spec.data) : st;
    st = st == ST_OK ? judging_check_needs(p) : st;
    st = st == ST_OK ? owned_check(p, argc, argv) : st;
    st = st == ST_OK && !p->resumed ? judging_check_labels(p) : st;
    text_buf_release(&spec);
    TRY(st);
    TRY(choose_counts(p));
    TRY(settings_check(&p->settings));
    TRY(check_store(p));
    TRY(check_network(p));
    p->quiet = strcmp(settings_get(&p->settings, "quiet"), "true") == 0;
    return ST_OK;
}

/* The defaults as they are for this environment or preset. */
static enum status print_help(struct plan *p, int argc, char **argv)
{
    char preset[OPTION_TEXT_MAX];

    TRY(settings_parse(&p->settings, argc, argv));
    TRY(read_preset(p, preset));
    settings_print_help(&p->settings, preset[0] != '\0' ? preset : NULL, stdout);
    return ST_CLOSED;
}

static char *read_before(const struct plan *p, const char *name)
{
    char path[PATH_MAX_], *text = NULL;
    size_t len;

    return text_format(path, sizeof(path), "%s/%s", p->run_dir, name) &&
                   file_read(path, BEFORE_MOST, &text, &len) == ST_OK
               ? text
               : NULL;
}

enum status plan_make(struct plan *p, int argc, char **argv)
{
    char path[PATH_MAX_];
    const bool only_print = option_is_given(argc, argv, "print-config");

    *p = (struct plan){.lock_fd = -1, .word = "train"};
    TRY(settings_init(&p->settings));
    if (option_is_given(argc, argv, "help")) {
        return print_help(p, argc, argv);
    }
    TRY(decide(p, argc, argv));
    if (only_print) {
        settings_print(&p->settings, stdout);
        return ST_CLOSED;
    }
    if (settings_get(&p->settings, "run-dir")[0] == '\0') {
        TRY(new_run_dir(p));
    }
    TRY(p->resumed ? ST_OK : plan_check_port(p));
    p->made_dir = !file_exists(settings_get(&p->settings, "run-dir"));
    TRY(plan_make_dir(p));
    TRY(p->resumed ? plan_check_port(p) : ST_OK); // its lock first: it may be at work
    if (p->resumed) {
        p->config_before = read_before(p, "config.ini");
        p->progress_before = read_before(p, "progress.json");
    }
    text_format(path, sizeof(path), "%s/config.ini", p->run_dir);
    return settings_write(&p->settings, path);
}

/* Number 0 is written before the first update. */
static bool has_checkpoint(const char *run_dir)
{
    DIR *dir = opendir(run_dir);
    const struct dirent *entry;
    bool found = dir == NULL; // cannot tell

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        found = found || strncmp(entry->d_name, "checkpoint", 10) == 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return found;
}

static bool put_back(const struct plan *p, const char *name, const char *text)
{
    char path[PATH_MAX_];

    return text != NULL && text_format(path, sizeof(path), "%s/%s", p->run_dir, name) &&
           file_write_atomic(path, bytes_text(text)) == ST_OK;
}

/* The learner writes progress.json once it begins; until then this start changed nothing
 * but the settings. */
static void put_all_back(const struct plan *p)
{
    char path[PATH_MAX_];

    if (!text_format(path, sizeof(path), "%s/progress.json", p->run_dir) ||
        file_exists(path) || !put_back(p, "config.ini", p->config_before)) {
        return;
    }
    (void)put_back(p, "progress.json", p->progress_before);
    fprintf(stderr, "minos %s: the run did not go on: %s is as it was\n", p->word,
            p->run_dir);
}

void plan_unmake(const struct plan *p)
{
    if (p->resumed) {
        put_all_back(p);
        return;
    }
    if (strcmp(p->word, "train") != 0 || has_checkpoint(p->run_dir) ||
        file_remove_tree(p->run_dir) != ST_OK ||
        (!p->made_dir && file_make_dirs(p->run_dir) != ST_OK)) {
        return;
    }
    fprintf(stderr, "minos %s: the run never began: nothing of it is left in %s\n",
            p->word, p->run_dir);
}

void plan_release(struct plan *p)
{
    settings_release(&p->settings);
    mem_free(p->config_before);
    mem_free(p->progress_before);
    if (p->lock_fd >= 0) {
        close(p->lock_fd);
        p->lock_fd = -1;
    }
}

/* Who is asked, and that it is asked again, where there is more to say than a name. */
static void print_judging(const struct plan *p, FILE *to)
{
    const struct settings *s = &p->settings;
    const char *relabel = settings_get(s, "relabel");

    if (p->judges > 0 && strcmp(settings_get(s, "judge"), "llm") == 0) {
        fprintf(to, "minos: model %s at %s, style %s\n", settings_get(s, "llm-model"),
                settings_get(s, "llm-url"), settings_get(s, "style"));
    }
    if (p->resumed && relabel != NULL && strcmp(relabel, "true") == 0) {
        fprintf(to, "minos: --relabel: every caption is asked anew in this start; old "
                    "labels train until the new ones come\n");
    }
}

void plan_print(const struct plan *p, FILE *to)
{
    const struct settings *s = &p->settings;
    const struct topology *t = &p->topology;

    fprintf(to, "minos: %s %s, reward %s, goal %s, judge %s, seed %s\n",
            p->resumed ? "goes on with" : "trains", settings_get(s, "env"),
            settings_get(s, "reward"), p->goal,
            p->judges > 0 ? settings_get(s, "judge") : "none", settings_get(s, "seed"));
    print_judging(p, to);
    fprintf(to,
            "minos: %d cores: %lld learner rank%s, %lld actor%s with %lld environments "
            "each, %lld judge%s\n",
            t->cores, (long long)t->ranks, t->ranks == 1 ? "" : "s",
            (long long)t->actors, t->actors == 1 ? "" : "s", (long long)t->envs,
            (long long)p->judges, p->judges == 1 ? "" : "s");
    fprintf(to, "minos: run directory %s\n", p->run_dir);
}
