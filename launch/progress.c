#include "launch/progress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "launch/runstate.h"

enum {
    LIVE_MS = 500,
    PLAIN_MS = 10000,
    QUIET_MS = 5000, // more than usual between two updates
    FILE_MOST = 1 << 20,
    LINE_MOST = 512
};

static bool unread;
static bool live; // a line without its end stands on the terminal
static uint64_t shown_ms;
static bool shown_once;

/* 1234 -> "1234", 56789 -> "56.8 k", 2700000 -> "2.70 M". */
static void short_number(double n, char out[32])
{
    if (n >= 1e9) {
        text_format(out, 32, "%.2f G", n / 1e9);
    } else if (n >= 1e6) {
        text_format(out, 32, "%.2f M", n / 1e6);
    } else if (n >= 1e4) {
        text_format(out, 32, "%.1f k", n / 1e3);
    } else {
        text_format(out, 32, "%.0f", n);
    }
}

struct line {
    char *out;
    size_t size;
    const char *json;
    double quiet_s; // since the learner, which is alive, told this; 0: lately
};

static void add(struct line *l, const char *text)
{
    const size_t len = strlen(l->out);

    text_format(l->out + len, l->size - len, "%s%s", len > 0 ? "  " : "", text);
}

/* "LABEL 0.42" where json has key; format of the number by decimals, -1 = short. */
static void add_number(struct line *l, const char *key, const char *label, int decimals)
{
    char text[96], number[32];
    double n;

    if (!jsonline_number(l->json, key, &n)) {
        return;
    }
    if (decimals < 0) {
        short_number(n, number);
    } else {
        text_format(number, sizeof(number), "%.*f", decimals, n);
    }
    text_format(text, sizeof(text), "%s%s%s", label, label[0] != '\0' ? " " : "",
                number);
    add(l, text);
}

/* "99.1 k of 100.0 k steps (99 %)  7 of 60 s", as far as there are bounds. */
static void add_steps(struct line *l)
{
    char done[32], goal[32], text[96];
    double steps = 0, of = 0, spent = 0, seconds = 0;

    jsonline_number(l->json, "env_steps", &steps);
    short_number(steps, done);
    text_format(text, sizeof(text), "%s steps", done);
    if (jsonline_number(l->json, "steps", &of) && of > 0) {
        short_number(of, goal);
        text_format(text, sizeof(text), "%s of %s steps (%.0f %%)", done, goal,
                    fmin(100, 100 * steps / of)); // the last update goes past it
    }
    add(l, text);
    jsonline_number(l->json, "seconds", &spent);
    spent += l->quiet_s;
    if (jsonline_number(l->json, "seconds_given", &seconds) && seconds > 0) {
        text_format(text, sizeof(text), "%.0f of %.0f s", spent, seconds);
    } else {
        text_format(text, sizeof(text), "%.0f s", spent);
    }
    add(l, text);
}

/* "tokens in 812.4 k  out 9.1 k  money 0.1482", where there are any. */
static void add_cost(struct line *l, const char *money)
{
    double n;

    if (jsonline_number(l->json, "tokens_in", &n) && n > 0) {
        add_number(l, "tokens_in", "tokens in", -1);
        add_number(l, "tokens_out", "out", -1);
    }
    if (jsonline_number(l->json, money, &n) && n > 0) {
        add_number(l, money, "money", 4);
    }
}

/* Of minos label: "120 of 500 captions labelled (24 %)  3 given up". */
static bool add_labelling(struct line *l)
{
    char text[96];
    double of = 0, done = 0, seconds = 0, n = 0;

    if (!jsonline_number(l->json, "captions_to_label", &of)) {
        return false;
    }
    jsonline_number(l->json, "labelled", &done);
    jsonline_number(l->json, "seconds", &seconds);
    text_format(text, sizeof(text), "%.0f of %.0f captions labelled (%.0f %%)", done,
                of, of > 0 ? 100 * done / of : 100);
    add(l, text);
    text_format(text, sizeof(text), "%.0f s", seconds);
    add(l, text);
    add_number(l, "questions_in_flight", "asked", 0);
    if (jsonline_number(l->json, "given_up", &n) && n > 0) {
        add_number(l, "given_up", "given up", 0);
    }
    add_cost(l, "money");
    return true;
}

static void add_text(struct line *l, const char *key, const char *label,
                     const char *silent)
{
    char value[160], text[192];

    if (jsonline_text(l->json, key, value, sizeof(value)) && value[0] != '\0' &&
        strcmp(value, silent) != 0) {
        text_format(text, sizeof(text), "%s%s", label, value);
        add(l, text);
    }
}

/* "31 % of answers fail", where it is not 0. */
static void add_share(struct line *l, const char *key, const char *label)
{
    char text[96];
    double share;

    if (jsonline_number(l->json, key, &share) && share > 0) {
        text_format(text, sizeof(text), "%.0f %% %s", 100 * share, label);
        add(l, text);
    }
}

static char *read_json(const char *run_dir, const char *name)
{
    char path[PATH_MAX_], *json;
    size_t len;

    if (!text_format(path, sizeof(path), "%s/%s", run_dir, name) ||
        file_read(path, FILE_MOST, &json, &len) != ST_OK) {
        return NULL;
    }
    return json;
}

static bool progress_is_over(const struct line *l)
{
    char state[32] = "";

    jsonline_text(l->json, "state", state, sizeof(state));
    return strcmp(state, "done") == 0;
}

/* "done" is the learner's word; of its steps and seconds some may be left. */
static void add_state(struct line *l)
{
    char state[32] = "";
    double steps = 0, of = 0, spent = 0, given = 0;

    jsonline_text(l->json, "state", state, sizeof(state));
    jsonline_number(l->json, "env_steps", &steps);
    jsonline_number(l->json, "steps", &of);
    jsonline_number(l->json, "seconds", &spent);
    jsonline_number(l->json, "seconds_given", &given);
    if (strcmp(state, "done") == 0 && (of == 0 || steps < of) &&
        (given == 0 || spent < given) && of + given > 0) {
        add(l, "stopped");
    } else {
        add_text(l, "state", "", "running");
    }
}

/* Rank 0 tells of itself between two updates alone: in a long one neither its clock nor
 * whom it waited for before is news. */
static double quiet_seconds(const char *run_dir, const char *json)
{
    const uint64_t silent_ms = runstate_silent_ms(run_dir);
    char state[32] = "";

    jsonline_text(json, "state", state, sizeof(state));
    return silent_ms >= QUIET_MS && silent_ms != UINT64_MAX &&
                   strcmp(state, "running") == 0 && runstate_is_held(run_dir)
               ? (double)silent_ms / 1e3
               : 0;
}

static void add_waiting(struct line *l)
{
    char text[64];

    if (l->quiet_s > 0) {
        text_format(text, sizeof(text), "no update has ended for %.0f s", l->quiet_s);
        add(l, text);
    } else if (!progress_is_over(l)) {
        add_text(l, "waiting_for", "waiting for ", "nothing");
    }
}

/* Few captions help, so that who says "no" to all is right about nearly all of them. */
static void add_held_out(struct line *l, struct text_buf *b, bool orders)
{
    double found, right;

    if (jsonline_number(l->json, "held_recall", &found)) {
        text_buf_add(b, ", held out: finds %.2f of what helps", found);
        if (jsonline_number(l->json, "held_precision", &right)) {
            text_buf_add(b, ", right about %.2f of what it finds", right);
        }
    } else if (jsonline_number(l->json, "held_accuracy", &right)) {
        text_buf_add(b, ", right about %.2f of held-out %s", right,
                     orders ? "pairs" : "labels");
    }
}

/* "reward: bow (toy vectors), 0.0123 a step", "reward: rank, version 3 pays 40 %, 0.0123 a
 * step, right about 0.91 of held-out pairs". */
static void add_reward(struct line *l)
{
    char name[32] = "", note[64] = "", model[160] = "";
    struct text_buf b = {0};
    double n;

    jsonline_text(l->json, "reward", name, sizeof(name));
    jsonline_text(l->json, "reward_note", note, sizeof(note));
    jsonline_text(l->json, "reward_model", model, sizeof(model));
    if (name[0] == '\0' || strcmp(name, "none") == 0) {
        return;
    }
    text_buf_add(&b, "reward: %s", name);
    if (note[0] != '\0') {
        text_buf_add(&b, " (%s)", note);
    }
    if (model[0] != '\0') {
        text_buf_add(&b, ", %s", model);
    }
    if (jsonline_number(l->json, "r_int_mean", &n)) {
        text_buf_add(&b, ", %.4f a step", n);
    }
    add_held_out(l, &b, strcmp(name, "rank") == 0);
    add(l, b.data);
    text_buf_release(&b);
}

bool progress_line(const char *run_dir, char *out, size_t size)
{
    char *json = read_json(run_dir, "progress.json");
    struct line l = {.out = out, .size = size, .json = json};

    if (json == NULL) {
        return false;
    }
    out[0] = '\0';
    const bool labelling = add_labelling(&l);
    if (!labelling) {
        l.quiet_s = quiet_seconds(run_dir, json);
        add_state(&l);
        add_steps(&l);
    }
    add_number(&l, "sps", "steps/s", 0);
    add_number(&l, "success_rate", "success", 3);
    // What a narrow terminal must still show comes first.
    add_text(&l, "alarm", "ALARM: ", "");
    add_waiting(&l);
    add_number(&l, "policy_lag_p99", "lag p99", 0);
    add_number(&l, "return_mean", "return", 2);
    add_number(&l, "episodes", "episodes", -1);
    add_number(&l, "labels", "labels", -1);
    add_reward(&l);
    if (!progress_is_over(&l)) {
        add_number(&l, "actors", "actors", 0);
        add_number(&l, "judges", "judges", 0);
    }
    add_share(&l, "failing_share", "of answers fail");
    add_text(&l, "asking_state", "asking: ", "on");
    if (!labelling) {
        add_cost(&l, "money");
    }
    mem_free(json);
    return true;
}

bool progress_ends(const char *run_dir)
{
    char *json = read_json(run_dir, "progress.json"), state[32] = "";

    if (json != NULL) {
        jsonline_text(json, "state", state, sizeof(state));
        mem_free(json);
    }
    return strcmp(state, "stopping") == 0 || strcmp(state, "done") == 0;
}

bool progress_labels(const char *run_dir)
{
    char *json = read_json(run_dir, "progress.json");
    double n;
    const bool labels = json != NULL && jsonline_number(json, "captions_to_label", &n);

    mem_free(json);
    return labels;
}

void progress_clear(void)
{
    if (live) {
        fputs("\r\033[K", stdout);
        fflush(stdout);
        live = false;
    }
}

void progress_show(const char *run_dir, uint64_t now_ms)
{
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    char line[LINE_MOST];
    struct winsize window = {0};

    if ((shown_once && now_ms - shown_ms < (terminal ? LIVE_MS : PLAIN_MS)) ||
        !progress_line(run_dir, line, sizeof(line))) {
        return;
    }
    shown_once = true;
    shown_ms = now_ms;
    if (!terminal) {
        printf("%s\n", line);
        unread = unread || (fflush(stdout) != 0 && errno == EPIPE);
        return;
    }
    // A line that wraps could not be taken back.
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 &&
        strlen(line) >= window.ws_col) {
        line[window.ws_col - 1] = '\0';
    }
    progress_clear();
    fputs(line, stdout);
    fflush(stdout);
    live = true;
}

bool progress_unread(void)
{
    return unread;
}

bool progress_print_finished(const char *run_dir)
{
    char *json = read_json(run_dir, "progress.json"), done[32], goal[32];
    double n, steps = 0, of = 0, spent = 0, given = 0;

    if (json == NULL || !jsonline_number(json, "finished", &n)) {
        mem_free(json);
        return false;
    }
    jsonline_number(json, "env_steps", &steps);
    jsonline_number(json, "steps", &of);
    jsonline_number(json, "seconds", &spent);
    jsonline_number(json, "seconds_given", &given);
    mem_free(json);
    printf("minos: %s is finished: ", run_dir);
    if (of > 0) {
        short_number(steps, done);
        short_number(of, goal);
        printf("%s of %s steps%s", done, goal, given > 0 ? ", " : "");
    }
    if (given > 0) {
        printf("%.0f of %.0f s", spent, given);
    }
    puts("; raise --steps or --seconds to go on");
    fflush(stdout);
    return true;
}

bool progress_print_summary(const char *run_dir)
{
    char *json = read_json(run_dir, "summary.json"), line[LINE_MOST] = "";
    struct line l = {.out = line, .size = sizeof(line), .json = json};

    if (json == NULL) {
        return false;
    }
    add_number(&l, "env_steps", "env steps", -1);
    add_number(&l, "seconds", "seconds", 0);
    add_number(&l, "sps", "steps/s", 0);
    add_number(&l, "episodes", "episodes", -1);
    add_number(&l, "return_mean", "return", 2);
    add_number(&l, "success_rate", "success", 3);
    add_number(&l, "labels", "labels", -1);
    add_cost(&l, "judge_cost");
    printf("minos: %s\n", line);
    printf("minos: results in %s (summary.json, metrics.jsonl)\n"
           "minos: next:  minos eval --run-dir=%s    minos watch --run-dir=%s    minos "
           "audit --run-dir=%s\n",
           run_dir, run_dir, run_dir, run_dir);
    fflush(stdout);
    mem_free(json);
    return true;
}

void progress_print_no_label(const char *run_dir)
{
    static const char *const kinds[][2] = {{"verdicts_timeout", "timed out"},
                                           {"verdicts_unparseable", "unparseable"},
                                           {"verdicts_refused", "refused"},
                                           {"verdicts_overload", "overload"},
                                           {"verdicts_abstain", "abstained"}};
    char *json = read_json(run_dir, "summary.json"), text[LINE_MOST] = "";
    struct line l = {.out = text, .size = sizeof(text), .json = json};
    double labels = 1, asked = 0, n;

    if (json != NULL && jsonline_number(json, "labels", &labels) && labels == 0) {
        jsonline_number(json, "questions_asked", &asked);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            if (jsonline_number(json, kinds[i][0], &n) && n > 0) {
                add_number(&l, kinds[i][0], kinds[i][1], -1);
            }
        }
        fprintf(
            stderr,
            "minos: NO LABEL ever came, so no caption was paid: %.0f questions were "
            "asked%s%s; what the judges said is in %s/logs/judge-*.log and in minos "
            "ledger stats %s\n",
            asked, text[0] != '\0' ? ", of the answers " : "", text, run_dir, run_dir);
    }
    mem_free(json);
}
