#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "actor/tools.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/nn/softmax.h"

/* A person's and a checkpoint's hands on one game, drawn in the terminal. */

struct keymap {
    const char *action; // name of an action
    char key;
};

/* NetHack's keys; names as the environments list them. */
static const struct keymap keymap[] = {
    {"west", 'h'},
    {"south", 'j'},
    {"north", 'k'},
    {"east", 'l'},
    {"northwest", 'y'},
    {"northeast", 'u'},
    {"southwest", 'b'},
    {"southeast", 'n'},
    {"far-west", 'H'},
    {"far-south", 'J'},
    {"far-north", 'K'},
    {"far-east", 'L'},
    {"far-northwest", 'Y'},
    {"far-northeast", 'U'},
    {"far-southwest", 'B'},
    {"far-southeast", 'N'},
    {"up", '<'},
    {"down", '>'},
    {"pickup", ','},
    {"search", 's'},
    {"wait", '.'},
    {"eat", 'e'},
    {"kick", '/'},
    {"quaff", 'Q'},
    {"cast", 'Z'},
    {"pray", 'P'},
    {"pay", 'p'},
    {"more", ' '},
};

char play_key(const char *action, int index)
{
    for (size_t i = 0; i < sizeof(keymap) / sizeof(keymap[0]); i++) {
        if (strcmp(keymap[i].action, action) == 0) {
            return keymap[i].key;
        }
    }
    return index < 9 ? (char)('1' + index) : 0;
}

static int action_of(const struct env_spec *spec, int key)
{
    for (int a = 0; a < spec->actions; a++) {
        if (play_key(spec->action_names[a], a) == key) {
            return a;
        }
    }
    return -1;
}

static int legend_chars(const struct env_spec *spec)
{
    int chars = (int)strlen("q quit");

    for (int a = 0; a < spec->actions; a++) {
        chars += (int)strlen(spec->action_names[a]) + 4;
    }
    return chars;
}

/* Lines under the screen: all keys, or one line where the terminal is too small. */
static int legend_lines(const struct env_spec *spec)
{
    int rows, cols;

    tools_terminal(&rows, &cols);
    const int all = (legend_chars(spec) + cols - 1) / cols;
    return ENV_ROWS + all <= rows ? all : 1;
}

static void print_keys(const struct env_spec *spec)
{
    for (int a = 0; a < spec->actions; a++) {
        printf("%c %s  ", play_key(spec->action_names[a], a), spec->action_names[a]);
    }
    printf("%c quit", PLAY_QUIT);
}

/* No line break behind it: the last line of a terminal would scroll. */
static void legend(const struct env_spec *spec, int lines)
{
    int rows, cols;

    tools_terminal(&rows, &cols);
    if (lines * cols >= legend_chars(spec)) {
        print_keys(spec);
    } else {
        printf("%c shows the keys, %c quits", PLAY_KEYS, PLAY_QUIT);
    }
    printf("\033[K\033[J");
    fflush(stdout);
}

/* False: the player leaves. */
static bool read_key(char *key)
{
    enum { CTRL_C = 3, CTRL_D = 4 };

    return read(STDIN_FILENO, key, 1) == 1 && *key != PLAY_QUIT && *key != CTRL_C &&
           *key != CTRL_D;
}

static bool terminal_raw(struct termios *saved)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, saved) != 0) {
        return false;
    }
    raw = *saved;
    // Without ISIG Ctrl-C is a key: a killed process would leave the terminal like this.
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static enum status open_one(struct show_options *o, const struct tools_player *p,
                            uint32_t role, struct vecenv **out)
{
    const struct vecenv_plan plan = {
        .kind = p->kind,
        .options = p->env_options,
        .envs = 1,
        .stream = {.seed = (uint64_t)o->seed, .role = role},
        .count_key = COUNT_EXACT,
    };

    return vecenv_open(&plan, out);
}

static bool show_keys(const struct env_spec *spec)
{
    char key;

    printf("\033[H\033[2J");
    print_keys(spec);
    printf("\n\nany key goes back");
    fflush(stdout);
    return read_key(&key);
}

static void print_end(const struct vecenv *games)
{
    struct env_summary s;

    vecenv_summary(games, 0, &s);
    printf("\033[Kepisode over: %s, return %.2f, %d steps, depth %d%s\033[J", s.cause,
           (double)vecenv_return(games, 0), s.length, s.depth,
           s.success ? ", SUCCESS" : "");
    fflush(stdout);
}

static enum status play_person(struct vecenv *games)
{
    const struct env_spec *spec = vecenv_spec(games);
    struct vecenv_step step;
    uint8_t action;
    char key;

    for (;;) {
        const int lines = legend_lines(spec);
        tools_draw(vecenv_obs(games, 0), lines);
        legend(spec, lines);
        if (!read_key(&key) || (key == PLAY_KEYS && !show_keys(spec))) {
            return ST_OK;
        }
        const int a = action_of(spec, key);
        if (a < 0) {
            continue;
        }
        action = (uint8_t)a;
        vecenv_step(games, &action, &step);
        if (step.result.terminated || step.result.truncated) {
            tools_draw(vecenv_obs(games, 0), 1);
            print_end(games);
            TRY(vecenv_reset(games, 0));
            if (!read_key(&key)) {
                return ST_OK;
            }
        }
    }
}

int play_main(int argc, char **argv)
{
    static struct show_options o;
    struct tools_player p = {0};
    struct vecenv *games = NULL;
    struct termios saved;
    int code;

    if (!tools_parse(play_option_table, argc, argv, "minos play --env=NAME [--seed=K]",
                     &o, &code)) {
        return code;
    }
    if (env_find(o.env, &p.kind) != ST_OK) {
        return EXIT_USAGE;
    }
    p.env_options = (struct env_options){o.env, o.env_options, o.scratch, o.record};
    if (!terminal_raw(&saved)) {
        fprintf(stderr, "minos play: needs a terminal on standard input\n");
        return EXIT_USAGE;
    }
    enum status st = open_one(&o, &p, RNG_EVAL, &games);
    if (st == ST_OK) {
        printf("\033[2J");
        st = play_person(games);
    }
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    putchar('\n');
    vecenv_close(games);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}

static int choose(struct policy *policy, struct vecenv *games, float *state,
                  struct rng *chance, bool greedy)
{
    float logits[ENV_ACTIONS_MAX], values[POLICY_HEADS_MAX];
    struct policy_input in;
    const int A = policy_actions(policy);

    vecenv_input(games, &in);
    policy_act(policy, &in, 1, state, logits, values);
    softmax_log(logits, logits, 1, A);
    return greedy ? softmax_argmax(logits, A)
                  : softmax_sample(logits, A, rng_float(chance));
}

static enum status watch(struct show_options *o, struct tools_player *p,
                         struct vecenv *games)
{
    const size_t H = (size_t)policy_state_floats(p->policy);
    const struct env_spec *spec = vecenv_spec(games);
    float *state = mem_new(H, sizeof(float));
    struct rng chance;
    enum status st = ST_OK;

    rng_init(&chance, (uint64_t)o->seed);
    printf("\033[2J");
    for (int64_t episode = 0; episode < o->episodes && st == ST_OK && !stop_asked();) {
        const int a = choose(p->policy, games, state, &chance, o->greedy);
        const uint8_t action = (uint8_t)a;
        struct vecenv_step step;
        tools_draw(vecenv_obs(games, 0), 1);
        printf("episode %lld  update %llu  next: %s\033[K\033[J",
               (long long)episode + 1, (unsigned long long)p->update,
               spec->action_names[a]);
        fflush(stdout);
        clock_sleep_ms((uint64_t)(1000 / o->steps_per_second));
        stop_poll();
        vecenv_step(games, &action, &step);
        if (step.result.terminated || step.result.truncated) {
            tools_draw(vecenv_obs(games, 0), 1);
            print_end(games);
            clock_sleep_ms((uint64_t)(3000 / o->steps_per_second));
            memset(state, 0, sizeof(float) * H);
            st = vecenv_reset(games, 0);
            episode++;
        }
    }
    putchar('\n');
    mem_free(state);
    return st;
}

int watch_main(int argc, char **argv)
{
    static struct show_options o;
    struct tools_player p = {0};
    struct vecenv *games = NULL;
    int code;

    if (!tools_parse(watch_option_table, argc, argv,
                     "minos watch --run-dir=DIR [--speed=STEPS_PER_SECOND]", &o,
                     &code)) {
        return code;
    }
    stop_open();
    enum status st = tools_open_player(&o, 1, &p);
    if (st == ST_OK) {
        st = open_one(&o, &p, RNG_EVAL, &games);
    }
    if (st == ST_OK) {
        st = watch(&o, &p, games);
    }
    vecenv_close(games);
    policy_free(p.policy);
    return st == ST_OK ? EXIT_DONE : st == ST_INVALID ? EXIT_USAGE : EXIT_FAILED;
}
