#include "actor/tools.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/checkpoint.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/base/text.h"
#include "common/nn/mat.h"
#include "common/nn/snapshot.h"

struct tool {
    const char *name;
    int (*main)(int argc, char **argv);
};

static const struct tool tools[] = {
    {"describe", describe_main}, {"eval", eval_main},   {"play", play_main},
    {"watch", watch_main},       {"bench", bench_main},
};
enum { TOOLS = sizeof(tools) / sizeof(tools[0]) };

int tools_main(const char *name, int argc, char **argv)
{
    const char *names[TOOLS];

    for (int i = 0; i < TOOLS; i++) {
        names[i] = tools[i].name;
        if (strcmp(tools[i].name, name) == 0) {
            return tools[i].main(argc, argv);
        }
    }
    const char *near = text_nearest(name, names, TOOLS);
    fprintf(stderr, "minos-actor: %s: no such command; %s%s%s", name,
            near != NULL ? "did you mean " : "describe, eval, play, watch or bench",
            near != NULL ? near : "", near != NULL ? "?\n" : "\n");
    return EXIT_USAGE;
}

bool tools_parse(struct option *table, int argc, char **argv, const char *usage,
                 struct show_options *o, int *code)
{
    *o = (struct show_options){.episodes = 1};
    option_defaults(table, o);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(table, usage, NULL, stdout);
        *code = EXIT_DONE;
        return false;
    }
    *code = EXIT_USAGE;
    // Only where the games are comes from the run; what a tool does is its own.
    if (option_parse(table, o, argc, argv) != ST_OK) {
        return false;
    }
    log_open("actor", -1, LOG_INFO_);
    mat_set_threads(1);
    return true;
}

/* The run's env and env-options, unless the command line named others. */
static enum status run_settings(struct show_options *o)
{
    struct actor_options run;
    char path[OPTION_TEXT_MAX + 16];

    option_defaults(actor_option_table, &run);
    (void)text_format(path, sizeof(path), "%s/config.ini", o->run_dir);
    if (!file_exists(path)) {
        LOG_ERROR("TOOL-RUN", "%s is not a run directory: it has no config.ini",
                  o->run_dir);
        return ST_INVALID;
    }
    TRY(option_read_file(actor_option_table, &run, path, true));
    if (o->env[0] == 0) {
        memcpy(o->env, run.env, sizeof(o->env));
        if (o->env_options[0] == 0) {
            memcpy(o->env_options, run.env_options, sizeof(o->env_options));
        }
    }
    return ST_OK;
}

static enum status new_policy(const char *net, int actions, int heads, int rows,
                              struct policy **out)
{
    struct policy_shape shape = {.actions = actions, .value_heads = heads};

    (void)text_format(shape.net, sizeof(shape.net), "%s", net);
    return policy_new(&shape, rows, rows, false, out);
}

static enum status actions_of(const struct tools_player *p, int *actions)
{
    struct env *e = NULL;

    TRY(p->kind->open(&p->env_options, &e));
    *actions = p->kind->spec(e)->actions;
    p->kind->close(e);
    return ST_OK;
}

static enum status load_checkpoint(const struct show_options *o, int actions, int rows,
                                   struct tools_player *out)
{
    struct checkpoint_manifest m;
    char dir[PATH_MAX_], path[PATH_MAX_ + 16];

    const enum status st = checkpoint_find(o->run_dir, false, &m, dir, sizeof(dir));
    if (st == ST_NOTFOUND) {
        LOG_ERROR("TOOL-CHECKPOINT", "%s holds no checkpoint yet", o->run_dir);
        return ST_INVALID;
    }
    TRY(st);
    if (m.actions != actions) {
        LOG_ERROR("TOOL-CHECKPOINT",
                  "the checkpoint acts with %d actions, %s has %d: another environment",
                  m.actions, o->env, actions);
        return ST_INVALID;
    }
    TRY(new_policy(m.net, m.actions, m.value_heads, rows, &out->policy));
    (void)text_format(path, sizeof(path), "%s/policy.bin", dir);
    TRY(snapshot_read(path, policy_params(out->policy), NULL, NULL, 0));
    policy_weights_changed(out->policy);
    out->update = m.update;
    out->env_steps = m.env_steps;
    return ST_OK;
}

enum status tools_open_player(struct show_options *o, int rows,
                              struct tools_player *out)
{
    const bool from_run = !o->untrained && strcmp(o->player, "random") != 0;
    int actions = 0;

    *out = (struct tools_player){0};
    if (o->run_dir[0] != 0) {
        TRY(run_settings(o));
    } else if (from_run || o->env[0] == 0) {
        LOG_ERROR("TOOL-RUN", "--run-dir is needed: whose checkpoint plays? (or --env "
                              "with --untrained or --player=random)");
        return ST_INVALID;
    }
    TRY(env_find(o->env, &out->kind));
    out->env_options =
        (struct env_options){o->env, o->env_options, o->scratch, o->record};
    TRY(actions_of(out, &actions));
    if (from_run) {
        return load_checkpoint(o, actions, rows, out);
    }
    struct rng rng;
    const struct rng_stream stream = {.seed = (uint64_t)o->seed, .role = RNG_INIT};
    TRY(new_policy(o->net, actions, 1, rows, &out->policy));
    rng_init_stream(&rng, &stream);
    policy_init_weights(out->policy, &rng);
    policy_weights_changed(out->policy);
    return ST_OK;
}

void tools_terminal(int *rows, int *cols)
{
    struct winsize w;
    const bool known =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0;

    *rows = known ? w.ws_row : ENV_ROWS;
    *cols = known ? w.ws_col : ENV_COLS;
}

static bool is_empty(const struct env_obs *obs, int row)
{
    for (int c = 0; c < ENV_COLS; c++) {
        if (obs->chars[row][c] > 32) {
            return false;
        }
    }
    return true;
}

static void draw_row(const struct env_obs *obs, int row)
{
    int color = -1;

    for (int c = 0; c < ENV_COLS; c++) {
        const int now = obs->colors[row][c];
        const uint8_t ch = obs->chars[row][c];
        if (now != color) {
            printf("\033[0;%d%sm", (now & 8) != 0 ? 90 + (now & 7) : 30 + (now & 7),
                   (now & 16) != 0 ? ";7" : "");
            color = now;
        }
        putchar(ch >= 32 && ch < 127 ? ch : ' ');
    }
    printf("\033[0m\033[K\n");
}

void tools_draw(const struct env_obs *obs, int below)
{
    bool left_out[ENV_ROWS] = {false};
    int rows, cols;

    tools_terminal(&rows, &cols);
    int over = ENV_ROWS + below - rows;
    for (int r = ENV_ROWS - 1; r > 0 && over > 0; r--) {
        left_out[r] = is_empty(obs, r);
        over -= left_out[r];
    }
    printf("\033[H");
    for (int r = 0; r < ENV_ROWS; r++) {
        if (!left_out[r]) {
            draw_row(obs, r);
        }
    }
}

/* Names as a JSON array into a text_buf. */
static void add_names(struct text_buf *b, const struct env_spec *spec)
{
    for (int i = 0; i < spec->actions; i++) {
        text_buf_add(b, "%s", i == 0 ? "[" : ",");
        text_buf_add_json(b, bytes_text(spec->action_names[i]));
    }
    text_buf_add(b, "]");
}

int describe_main(int argc, char **argv)
{
    static struct show_options o;
    const struct env_kind *kind = NULL;
    struct metrics_row row = {0};
    struct text_buf names = {0};
    struct env *e = NULL;
    int code;

    if (!tools_parse(describe_option_table, argc, argv,
                     "minos-actor describe --env=NAME", &o, &code)) {
        return code;
    }
    const struct env_options options = {o.env, o.env_options, o.scratch, false};
    if (env_find(o.env, &kind) != ST_OK || kind->open(&options, &e) != ST_OK) {
        return EXIT_USAGE;
    }
    const struct env_spec *spec = kind->spec(e);
    char digest[24];
    (void)text_format(digest, sizeof(digest), "%016llx",
                      (unsigned long long)spec->digest);
    add_names(&names, spec);
    metrics_begin(&row);
    metrics_text(&row, "task", o.env);
    metrics_text(&row, "family", kind->name);
    metrics_text(&row, "goal", kind->goal_of(o.env));
    metrics_int(&row, "actions", spec->actions);
    metrics_raw(&row, "action_names", names.data);
    metrics_int(&row, "max_steps", spec->max_steps);
    metrics_int(&row, "captions", spec->captions);
    metrics_int(&row, "truth", spec->truth);
    metrics_text(&row, "digest", digest);
    puts(metrics_end(&row));
    metrics_release(&row);
    text_buf_release(&names);
    kind->close(e);
    return EXIT_DONE;
}
