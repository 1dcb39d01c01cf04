#include "launch/judging.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/share.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "launch/process.h"

/* Asks the actor's program what the task is; it says what is wrong with the name. */
enum status judging_check_env(struct plan *p, struct text_buf *spec)
{
    const char *options = settings_get(&p->settings, "env-options");
    struct process_args args = {0};
    char dir[512];
    int code = 0;

    share_program_dir(dir, sizeof(dir));
    process_arg(&args, "%s/minos-actor", dir);
    process_arg(&args, "describe");
    process_arg(&args, "--env=%s", settings_get(&p->settings, "env"));
    if (options != NULL && options[0] != '\0') {
        process_arg(&args, "--env-options=%s", options);
    }
    const enum status st = process_capture(&args, spec, &code);
    process_args_release(&args);
    TRY(st);
    return code == 0 && spec->data != NULL ? ST_OK : ST_INVALID;
}

static enum status unknown_goal(const struct plan *p, const char *path)
{
    char suggestion[512];

    if (file_exists(p->goal)) {
        fprintf(stderr,
                "minos %s: --goal: there is no goal named %s; the file of that name is "
                "--goal=./%s\n",
                p->word, p->goal, p->goal);
        return ST_INVALID;
    }
    share_suggest("goals", ".goal", p->goal, suggestion, sizeof(suggestion));
    fprintf(stderr, "minos %s: --goal: there is no goal %s (%s); %s\n", p->word,
            p->goal, path, suggestion);
    return ST_INVALID;
}

enum status judging_find_goal(struct plan *p)
{
    const char *given = settings_get(&p->settings, "goal");

    if (strchr(given, '/') == NULL) {
        return ST_OK;
    }
    char *absolute = realpath(given, NULL);
    if (absolute == NULL || strlen(absolute) >= OPTION_TEXT_MAX) {
        fprintf(stderr, "minos %s: --goal: there is no file %s\n", p->word, given);
        free(absolute);
        return ST_INVALID;
    }
    settings_put(&p->settings, "goal", "%s", absolute);
    free(absolute);
    return ST_OK;
}

/* A name among ours, or the path of a file. */
enum status judging_check_goal(struct plan *p, const char *spec)
{
    char path[PATH_MAX_], relative[OPTION_TEXT_MAX + 16];

    TRY(judging_find_goal(p));
    text_format(p->goal, sizeof(p->goal), "%s", settings_get(&p->settings, "goal"));
    if (p->goal[0] == '\0' && !jsonline_text(spec, "goal", p->goal, sizeof(p->goal))) {
        fprintf(stderr, "minos %s: --goal: the task has none of its own; give one\n",
                p->word);
        return ST_INVALID;
    }
    settings_put(&p->settings, "goal", "%s", p->goal);
    if (strchr(p->goal, '/') != NULL) {
        return ST_OK;
    }
    text_format(relative, sizeof(relative), "goals/%s.goal", p->goal);
    return share_path(relative, path, sizeof(path)) ? ST_OK : unknown_goal(p, path);
}

/* The rule judge needs its patterns; better to hear of it before anything runs. */
static enum status check_rules(struct plan *p)
{
    const char *given = settings_get(&p->settings, "rules");
    char path[PATH_MAX_], relative[OPTION_TEXT_MAX + 128];
    const size_t len = strlen(p->goal);

    if (given != NULL && given[0] != '\0') {
        char *absolute = realpath(given, NULL);
        if (absolute == NULL || strlen(absolute) >= OPTION_TEXT_MAX) {
            fprintf(stderr, "minos %s: --rules: there is no file %s\n", p->word, given);
            free(absolute);
            return ST_INVALID;
        }
        settings_put(&p->settings, "rules", "%s", absolute);
        free(absolute);
        return ST_OK; // minos-judge has read it
    }
    bool found;
    if (strchr(p->goal, '/') != NULL && len > 5) {
        text_format(path, sizeof(path), "%.*s.%s.rules", (int)(len - 5), p->goal,
                    p->family);
        found = file_exists(path);
    } else {
        text_format(relative, sizeof(relative), "goals/%s.%s.rules", p->goal,
                    p->family);
        found = share_path(relative, path, sizeof(path));
    }
    if (!found) {
        fprintf(stderr,
                "minos %s: --judge=rule needs patterns for goal %s in %s: there is "
                "no %s; write it, or give --rules=FILE\n",
                p->word, p->goal, p->family, path);
        return ST_INVALID;
    }
    return ST_OK;
}

static bool asks_order(const struct plan *p)
{
    return strcmp(p->ask, "order") == 0 ||
           strcmp(settings_get(&p->settings, "reward"), "rank") == 0;
}

/* Answers of the other kind would be paid for and never used. A style that nobody chose is
 * one that serves. */
static enum status check_style(struct plan *p)
{
    const char *style = settings_get(&p->settings, "style");
    const bool pair = strcmp(style, "pair") == 0;
    const bool compares = pair || strcmp(style, "order") == 0;
    const double captions = settings_number(&p->settings, "order-captions");

    if (asks_order(p) && !compares && !settings_is_set(&p->settings, "style")) {
        settings_put(&p->settings, "style", "%s", captions > 2 ? "order" : "pair");
        return ST_OK;
    }
    if (asks_order(p) == compares && !(pair && captions > 2)) {
        return ST_OK;
    }
    if (compares && !asks_order(p)) {
        fprintf(stderr,
                "minos %s: --style=%s compares captions, but %s%s needs ratings: "
                "--style=binary or --style=graded\n",
                p->word, style, p->ask[0] != '\0' ? "--ask=" : "--reward=",
                p->ask[0] != '\0' ? p->ask : settings_get(&p->settings, "reward"));
    } else {
        fprintf(stderr,
                "minos %s: --style=%s %s, but %.0f captions are to be put in order: "
                "--style=%s\n",
                p->word, style, pair ? "compares two captions" : "rates captions",
                captions, captions > 2 ? "order" : "pair or --style=order");
    }
    return ST_INVALID;
}

enum status judging_check_words(const struct plan *p, int argc, char **argv)
{
    static const char *const backends[] = {"llm", "sim"};
    const char *judge = settings_get(&p->settings, "judge");

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--judge=", 8) == 0 || strcmp(argv[i], "--judge") == 0) {
            return ST_OK; // whoever says so knows what it leaves out
        }
    }
    for (int i = 1; i < argc; i++) {
        for (size_t k = 0; k < sizeof(backends) / sizeof(backends[0]); k++) {
            if (strncmp(argv[i], "--", 2) == 0 &&
                strncmp(argv[i] + 2, backends[k], 3) == 0 &&
                (argv[i][5] == '-' || argv[i][5] == '=') &&
                strcmp(judge, backends[k]) != 0) {
                fprintf(stderr,
                        "minos %s: %.*s is for --judge=%s, but the judge is %s; add "
                        "--judge=%s\n",
                        p->word, (int)strcspn(argv[i], "="), argv[i], backends[k],
                        judge, backends[k]);
                return ST_INVALID;
            }
        }
    }
    return ST_OK;
}

bool judging_asks(const char *reward)
{
    static const char *const silent[] = {"none", "count", "rnd", "bow", "motif"};

    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        if (strcmp(reward, silent[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* Going on with the run must not hang on a variable of today's shell. What stands behind
 * a question mark may be a secret. */
static void record_url(struct plan *p)
{
    const char *usual = getenv("OPENAI_BASE_URL");
    const char *given = settings_get(&p->settings, "llm-url");

    if (given != NULL && given[0] == '\0' && usual != NULL &&
        strchr(usual, '?') == NULL) {
        settings_put(&p->settings, "llm-url", "%s", usual);
    }
}

enum status judging_check_judge(struct plan *p, const char *spec)
{
    const char *judge = settings_get(&p->settings, "judge");
    const char *reward = settings_get(&p->settings, "reward");
    double truth = 0;

    const bool none = strcmp(judge, "none") == 0;
    p->judges = (int64_t)settings_number(&p->settings, "judges");
    if (p->judges < 0) {
        p->judges = judging_asks(reward) && !none ? 1 : 0;
    }
    if (none && p->judges > 0) {
        fprintf(stderr,
                "minos %s: --judges is %lld, but --judge=none starts none: judges of "
                "your own join by themselves\n",
                p->word, (long long)p->judges);
        return ST_INVALID;
    }
    if (p->judges == 0) {
        return ST_OK;
    }
    if (strcmp(judge, "rule") == 0) {
        return check_rules(p);
    }
    if (strcmp(judge, "llm") == 0) {
        record_url(p);
        return check_style(p); // the rest minos-judge has checked
    }
    if (strcmp(judge, "sim") == 0) {
        if (!jsonline_number(spec, "truth", &truth) || truth == 0) {
            fprintf(stderr,
                    "minos %s: --judge=sim needs a hidden truth, which %s has not\n",
                    p->word, settings_get(&p->settings, "env"));
            return ST_INVALID;
        }
        return ST_OK;
    }
    char *program = strchr(judge, '/') != NULL ? realpath(judge, NULL) : NULL;
    const bool ok = program != NULL && access(program, X_OK) == 0;
    if (ok) {
        settings_put(&p->settings, "judge", "%s", program);
    }
    free(program);
    if (!ok) {
        fprintf(stderr,
                "minos %s: --judge: %s is neither rule, llm nor sim nor the path of a "
                "program that can be started; none starts no judge\n",
                p->word, judge);
        return ST_INVALID;
    }
    return ST_OK;
}

/* A file or directory that a reward cannot do without. */
static const struct need {
    const char *reward, *setting, *what, *holds; // holds: a file in the directory
} needs[] = {
    {"bow", "word-vectors",
     "FILE, words and their vectors as text; fastText's are the reference's, "
     "crawl-300d-2M.vec unpacked from "
     "https://fasttext.cc/docs/en/english-vectors.html",
     NULL},
    {"motif", "reward-model", "DIR, a directory that minos fit made of a ledger",
     "model.json"},
};

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum status check_need(struct plan *p, const struct need *n)
{
    const char *given = settings_get(&p->settings, n->setting);
    char *path = given[0] != '\0' ? realpath(given, NULL) : NULL, inside[PATH_MAX_];

    if (path != NULL &&
        (!text_format(inside, sizeof(inside), "%s%s%s", path,
                      n->holds != NULL ? "/" : "", n->holds != NULL ? n->holds : "") ||
         access(inside, R_OK) != 0 || is_dir(inside))) {
        const int failed = errno, why = is_dir(inside) ? EISDIR : failed;
        if (n->holds != NULL && (why == ENOENT || why == ENOTDIR)) {
            fprintf(stderr, "minos %s: --%s: %s has no %s; it must be %s\n", p->word,
                    n->setting, path, n->holds, n->what);
        } else {
            fprintf(stderr, "minos %s: --%s: %s: %s\n", p->word, n->setting, inside,
                    strerror(why));
        }
        free(path);
        return ST_INVALID;
    }
    if (path != NULL) {
        if (strlen(path) < OPTION_TEXT_MAX) {
            settings_put(&p->settings, n->setting, "%s", path);
        }
        free(path);
        return ST_OK;
    }
    if (given[0] != '\0') {
        fprintf(stderr, "minos %s: --%s: %s: %s\n", p->word, n->setting, given,
                strerror(errno));
    } else {
        fprintf(stderr, "minos %s: --reward=%s needs --%s=%s\n", p->word, n->reward,
                n->setting, n->what);
    }
    return ST_INVALID;
}

enum status judging_check_needs(struct plan *p)
{
    const char *reward = settings_get(&p->settings, "reward");

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if (strcmp(reward, needs[i].reward) == 0) {
            return check_need(p, &needs[i]);
        }
    }
    return ST_OK;
}

/* The learner's own word knows goals and ledgers; it says what is wrong. */
enum status judging_check_labels(const struct plan *p)
{
    const char *list = settings_get(&p->settings, "labels-from");
    struct process_args args = {0};
    char dir[512];
    int code = 0;

    if (list == NULL || list[0] == '\0') {
        return ST_OK;
    }
    share_program_dir(dir, sizeof(dir));
    process_arg(&args, "%s/minos-learner", dir);
    process_arg(&args, "labels");
    process_arg(&args, "--env=%s", settings_get(&p->settings, "env"));
    process_arg(&args, "--goal=%s", settings_get(&p->settings, "goal"));
    process_arg(&args, "--labels-from=%s", list);
    // minos label --ask=order: the learner looks for orders when it starts.
    process_arg(&args, "--reward=%s",
                strcmp(p->ask, "order") == 0 ? "none"
                                             : settings_get(&p->settings, "reward"));
    const enum status st = process_capture(&args, NULL, &code);
    process_args_release(&args);
    TRY(st);
    return code == 0 ? ST_OK : ST_INVALID;
}
