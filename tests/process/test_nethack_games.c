/* Real games of NetHack, through the preload shim: what they are, that they repeat, and
 * that nothing of them is left behind. Skipped, saying so, only where the package
 * nethack-console is not installed. */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor/envs/nethack/nethack.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/harness.h"

static const char BINARY[] = "/usr/lib/games/nethack/nethack-console";

static const struct env_kind *const kind = &env_nethack;

static void need_nethack(void)
{
    if (access(BINARY, R_OK) != 0) {
        print_message("nethack-console is not installed, this test is skipped\n");
        skip();
    }
}

static struct env *open_task(const char *task, const char *overrides,
                             const char *record)
{
    const struct env_options o = {
        .task = task,
        .overrides = overrides,
        .scratch = record,
        .record = record[0] != '\0',
    };
    struct env *e = NULL;

    assert_int_equal(kind->open(&o, &e), ST_OK);
    return e;
}

static void reset(struct env *e, uint64_t seed, uint64_t episode)
{
    const struct rng_stream s = {.seed = seed, .role = RNG_ENV, .episode = episode};

    assert_int_equal(kind->reset(e, &s), ST_OK);
}

static struct env_result step(struct env *e, int action)
{
    struct env_result r;

    kind->send(e, action);
    kind->receive(e, &r);
    return r;
}

static int any_action(struct env *e, struct rng *r)
{
    return (int)rng_below(r, (uint32_t)kind->spec(e)->actions);
}

/* A digest of every observation of `steps` random steps, episode after episode. */
static struct hash128 history(uint64_t seed, int steps)
{
    struct env *e = open_task("nethack-score", "", "");
    struct hash_state *h = hash_begin();
    uint64_t episode = 0;
    struct rng r;

    rng_init(&r, seed);
    reset(e, seed, episode++);
    for (int i = 0; i < steps; i++) {
        const struct env_result result = step(e, any_action(e, &r));
        const struct env_obs *o = kind->obs(e);

        hash_add(h, bytes_of(o->chars, sizeof(o->chars)));
        hash_add(h, bytes_of(o->colors, sizeof(o->colors)));
        hash_add(h, bytes_of(o->stats, sizeof(o->stats)));
        hash_add(h, bytes_of(o->caption, o->caption_len));
        hash_add(h, bytes_of(&result.reward, sizeof(result.reward)));
        if (result.terminated || result.truncated) {
            reset(e, seed, episode++);
        }
    }
    kind->close(e);
    return hash_end(h);
}

static void the_same_seed_gives_the_same_screens_for_10000_steps(void **state)
{
    (void)state;
    need_nethack();
    const struct hash128 once = history(11, 10000);
    assert_true(hash_equal(once, history(11, 10000)));
    assert_false(hash_equal(once, history(12, 10000)));
}

static int entries_of(const char *path)
{
    const struct dirent *entry;
    int n = 0;
    DIR *d = opendir(path);

    if (d == NULL) {
        return 0;
    }
    while ((entry = readdir(d)) != NULL) {
        n += entry->d_name[0] != '.' ? 1 : 0;
    }
    closedir(d);
    return n;
}

/* Where homes of this user's games lie. */
static const char *base_dir(void)
{
    static char path[64];

    (void)text_format(path, sizeof(path), "/dev/shm/minos-nethack-%u",
                      (unsigned)geteuid());
    return path;
}

/* The folder of a running game, out of its environment. */
static const char *folder_of(pid_t pid)
{
    static const char name[] = "MINOS_NETHACK_PAGE=";
    static char folder[512];
    char path[64];
    char *data = NULL;
    size_t len = 0;

    (void)text_format(path, sizeof(path), "/proc/%d/environ", (int)pid);
    assert_int_equal(file_read(path, 1 << 16, &data, &len), ST_OK);
    const char *at = memmem(data, len, name, sizeof(name) - 1);
    assert_non_null(at);
    (void)text_format(folder, sizeof(folder), "%s", at + sizeof(name) - 1);
    *strrchr(folder, '/') = '\0';
    mem_free(data);
    return folder;
}

static void a_thousand_games_leave_nothing_behind(void **state)
{
    enum { GAMES = 1000 };
    struct env *first, *e;

    (void)state;
    need_nethack();
    first = open_task("nethack-score", "", "");
    reset(first, 1, 0);
    e = open_task("nethack-score", "limit=3", "");
    reset(e, 2, 0);
    const int descriptors = entries_of("/proc/self/fd");
    const char *folder = folder_of(nethack_pid(e));
    const int files = entries_of(folder);
    for (uint64_t i = 1; i <= GAMES; i++) {
        assert_false(step(e, 22).terminated);
        reset(e, 2, i);
    }
    assert_int_equal(entries_of("/proc/self/fd"), descriptors);
    assert_int_equal(entries_of(folder), files);
    kind->close(e);
    kind->close(first);
    assert_true(entries_of("/proc/self/fd") < descriptors);
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // no child, living or dead
    assert_int_equal(errno, ECHILD);
}

static void a_game_killed_in_mid_step_is_a_cut_episode(void **state)
{
    struct env_result r;
    struct env_summary s;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-score", "", "");
    reset(e, 3, 0);
    (void)step(e, 22);
    const pid_t pid = nethack_pid(e);
    assert_int_equal(kill(pid, SIGSTOP), 0); // so that it cannot answer first
    kind->send(e, 22);
    assert_int_equal(kill(pid, SIGKILL), 0);
    harness_stderr_begin();
    kind->receive(e, &r);
    assert_non_null(strstr(harness_stderr_end(), "NETHACK-LOST"));
    assert_true(r.truncated);
    assert_false(r.terminated);
    kind->summary(e, &s);
    assert_string_equal(s.cause, "crashed");
    assert_int_equal(s.length, 2);
    assert_int_equal(nethack_pid(e), 0);
    reset(e, 3, 1);
    assert_false(step(e, 22).truncated);
    // Between two steps it is noticed at the next.
    assert_int_equal(kill(nethack_pid(e), SIGKILL), 0);
    harness_stderr_begin();
    assert_true(step(e, 22).truncated);
    (void)harness_stderr_end();
    kind->close(e);
}

static void a_game_that_hangs_is_cut_at_its_deadline(void **state)
{
    struct env_result r;
    struct env_summary s;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-score", "deadline-ms=2000", "");
    reset(e, 4, 0);
    const pid_t pid = nethack_pid(e);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    kind->send(e, 22);
    const uint64_t before = clock_ms(clock_system());
    harness_stderr_begin();
    kind->receive(e, &r);
    (void)harness_stderr_end();
    const uint64_t took = clock_ms(clock_system()) - before;
    assert_true(took >= 1990 && took < 60000);
    assert_true(r.truncated);
    kind->summary(e, &s);
    assert_string_equal(s.cause, "hung");
    assert_int_equal(kill(pid, 0), -1); // reaped, not left stopped
    bool cut = true; // again, where this machine stands still for that long
    for (uint64_t i = 1; cut && i < 10; i++) {
        reset(e, 4, i);
        cut = step(e, 22).truncated;
    }
    assert_false(cut);
    kind->close(e);
}

/* Whatever the game asks, random keys come out of it again and turns pass. */
static void twenty_thousand_random_steps_are_never_stuck(void **state)
{
    enum { STUCK = 500 };
    uint64_t episode = 0;
    int32_t time = 0;
    int idle = 0, commands = 0;
    struct rng r;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-score", "role=random", "");
    rng_init(&r, 6);
    reset(e, 6, episode++);
    for (int i = 0; i < 20000; i++) {
        const struct env_result result = step(e, any_action(e, &r));
        const struct env_obs *o = kind->obs(e);

        assert_in_range(o->hero_row, 1, ENV_ROWS - 1);
        assert_in_range(o->hero_col, 0, ENV_COLS - 1);
        assert_true(o->caption_len == strlen((const char *)o->caption));
        idle = o->stats[STAT_TIME] != time ? 0 : idle + 1;
        commands += idle == 0 ? 1 : 0;
        time = o->stats[STAT_TIME];
        assert_true(idle < STUCK);
        if (result.terminated || result.truncated) {
            idle = 0;
            reset(e, 6, episode++);
        }
    }
    assert_true(commands > 4000);
    kind->close(e);
}

static bool passable(uint8_t c)
{
    return strchr(".#<>+|-@dfu%$)[(!?/=\"*_{", c) != NULL;
}

/* The first step (an action) of a shortest way to '>' on the screen, 18 (down) on it, -1
 * when none is seen. Walls are tried as well, since open doors look like them. */
static int way_down(const struct env_obs *o)
{
    // Actions 1..8: N E S W NE SE SW NW.
    static const int dr[9] = {0, -1, 0, 1, 0, -1, 1, 1, -1};
    static const int dc[9] = {0, 0, 1, 0, -1, 1, 1, -1, -1};
    static int16_t queue[ENV_ROWS * ENV_COLS];
    static int8_t first[ENV_ROWS * ENV_COLS];
    int head = 0, tail = 0;

    memset(first, 0, sizeof(first));
    first[o->hero_row * ENV_COLS + o->hero_col] = 9;
    queue[tail++] = (int16_t)(o->hero_row * ENV_COLS + o->hero_col);
    while (head < tail) {
        const int at = queue[head++];
        for (int d = 1; d <= 8; d++) {
            const int row = at / ENV_COLS + dr[d], col = at % ENV_COLS + dc[d];
            if (row < 2 || row > 21 || col < 0 || col >= ENV_COLS ||
                first[row * ENV_COLS + col] != 0 || !passable(o->chars[row][col])) {
                continue;
            }
            first[row * ENV_COLS + col] = first[at] == 9 ? (int8_t)d : first[at];
            if (o->chars[row][col] == '>') {
                return first[row * ENV_COLS + col];
            }
            queue[tail++] = (int16_t)(row * ENV_COLS + col);
        }
    }
    return -1;
}

/* Runs about at random until it sees the stairs, then walks there. */
static struct env_result dive(struct env *e, struct rng *r)
{
    struct env_result result = {.reward = 0};
    bool on_stairs = false;

    while (!result.terminated && !result.truncated) {
        const int way = way_down(kind->obs(e));
        int action = 9 + (int)rng_below(r, 8);

        if (on_stairs) {
            action = 18;
        } else if (way > 0 && rng_below(r, 4) != 0) {
            action = way;
        }
        result = step(e, action);
        on_stairs = strstr((const char *)kind->obs(e)->caption,
                           "There is a staircase down here") != NULL;
        if (way < 0 && !on_stairs && rng_below(r, 8) == 0) {
            on_stairs = true; // under an object the stairs do not show: try
        }
    }
    return result;
}

static void a_scripted_dive_succeeds_on_its_level(void **state)
{
    struct env_summary s = {.success = false};
    struct env_result result = {.reward = 0};
    struct rng r;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-stairs2", "limit=800", "");
    rng_init(&r, 8);
    for (uint64_t episode = 0; episode < 40 && !s.success; episode++) {
        reset(e, 8, episode);
        result = dive(e, &r);
        kind->summary(e, &s);
        assert_true(s.success == (strcmp(s.cause, "success") == 0));
    }
    assert_true(s.success);
    assert_true(result.terminated);
    assert_true(result.reward > 49 && result.reward < 51);
    assert_int_equal(s.depth, 2);
    assert_non_null(
        strstr((const char *)kind->obs(e)->caption, "You descend the stairs"));
    kind->close(e);
}

static void a_death_has_its_cause_and_the_games_own_score(void **state)
{
    struct env_summary s;
    struct env_result result = {.reward = 0};
    struct rng r;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-free", "limit=100000", "");
    rng_init(&r, 9);
    reset(e, 9, 0);
    // Prayer after prayer angers a god: death is certain.
    while (!result.terminated) {
        const bool asked =
            strstr((const char *)kind->obs(e)->caption, "want to pray?") != NULL;
        result = step(e, asked ? 8 : rng_below(&r, 2) == 0 ? 25 : any_action(e, &r));
        assert_true(result.reward > -1e-6f && result.reward < 1e-6f);
        assert_false(result.truncated);
    }
    kind->summary(e, &s);
    assert_true(strlen(s.cause) > 4 && strcmp(s.cause, "ended") != 0);
    assert_false(s.success);
    assert_true(s.depth >= 1 && s.scout > 0 && s.length > 0);
    assert_true(s.score >= 0);
    kind->close(e);
}

static void the_step_limit_truncates(void **state)
{
    struct env_summary s;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-stairs4", "limit=5", "");
    reset(e, 10, 0);
    for (int i = 0; i < 4; i++) {
        const struct env_result r = step(e, 22);
        assert_false(r.terminated || r.truncated);
    }
    assert_true(step(e, 22).truncated);
    kind->summary(e, &s);
    assert_string_equal(s.cause, "limit");
    kind->close(e);
}

/* A child opens a game, says its process id and is killed. */
static pid_t game_of_a_killed_actor(void)
{
    int ends[2];
    pid_t game = 0;

    assert_int_equal(pipe(ends), 0);
    const pid_t actor = fork();
    assert_true(actor >= 0);
    if (actor == 0) {
        struct env *e = open_task("nethack-score", "", "");
        reset(e, 12, 0);
        const pid_t pid = nethack_pid(e);
        if (write(ends[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid)) {
            _exit(1);
        }
        pause();
        _exit(0);
    }
    assert_int_equal(read(ends[0], &game, sizeof(game)), sizeof(game));
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(kill(actor, SIGKILL), 0);
    assert_int_equal(waitpid(actor, NULL, 0), actor);
    return game;
}

static void a_killed_actor_takes_its_games_along_and_is_swept(void **state)
{
    char path[64];

    (void)state;
    need_nethack();
    const pid_t game = game_of_a_killed_actor();
    // The game is init's child now and dies by the signal of its parent's death; it may
    // be a zombie where nobody is init.
    (void)text_format(path, sizeof(path), "/proc/%d/cmdline", (int)game);
    for (int i = 0; i < 6000; i++) {
        char *line = NULL;
        size_t len = 0;
        if (file_read(path, 4096, &line, &len) != ST_OK) {
            break;
        }
        mem_free(line);
        if (len == 0) {
            break;
        }
        clock_sleep_ms(10);
        assert_true(i < 5999);
    }
    harness_stderr_begin();
    struct env *e = open_task("nethack-score", "", "");
    const char *said = harness_stderr_end();
    if (access(base_dir(), F_OK) == 0) {
        assert_non_null(strstr(said, "NETHACK-SWEPT"));
    }
    kind->close(e);
}

static void a_record_is_a_ttyrec_of_the_episode(void **state)
{
    const char *dir = harness_make_dir();
    char *data = NULL;
    size_t len = 0;
    uint32_t size = 0;

    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-score", "", dir);
    reset(e, 13, 7);
    for (int i = 0; i < 50; i++) {
        (void)step(e, 22);
    }
    kind->close(e);
    assert_int_equal(file_read(harness_path(dir, "nethack-score-0-0-0-000007.ttyrec"),
                               1 << 20, &data, &len),
                     ST_OK);
    size_t at = 0;
    int frames = 0;
    while (at + 12 <= len) {
        memcpy(&size, data + at + 8, sizeof(size));
        at += 12 + size;
        frames++;
    }
    assert_int_equal(at, len);
    assert_true(frames >= 50);
    assert_non_null(memmem(data, len, "Agent the Candidate", 19));
    mem_free(data);
    harness_remove_dir(dir);
}

static void wrong_constants_are_refused_by_name(void **state)
{
    static const struct {
        const char *overrides, *said;
    } cases[] = {{"actions=25", "actions wants 23"},
                 {"limit=0", "limit wants"},
                 {"limits=5", "did you mean 'limit'"},
                 {"role=smurf", "smurf"},
                 {"role=sam-elf,limit=5", "no such character"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct env_options o = {
            .task = "nethack-score", .overrides = cases[i].overrides, .scratch = ""};
        struct env *e = NULL;

        harness_stderr_begin();
        const enum status st = kind->open(&o, &e);
        const char *said = harness_stderr_end();
        assert_int_equal(st, ST_INVALID);
        assert_non_null(strstr(said, cases[i].said));
        assert_null(strchr(strchr(said, '\n') + 1, '\n')); // one line
    }
}

static void actions_and_roles_can_be_chosen(void **state)
{
    (void)state;
    need_nethack();
    struct env *e = open_task("nethack-score", "actions=23,role=val-dwa-law-fem", "");
    struct env *other = open_task("nethack-score23", "", "");
    assert_int_equal(kind->spec(e)->actions, 23);
    assert_int_equal(kind->spec(other)->actions, 23);
    assert_true(kind->spec(e)->digest != kind->spec(other)->digest);
    reset(e, 14, 0);
    assert_non_null(
        memmem(kind->obs(e)->chars[22], ENV_COLS, "Agent the Stripling", 19));
    kind->close(e);
    kind->close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_screens_for_10000_steps),
        cmocka_unit_test(a_thousand_games_leave_nothing_behind),
        cmocka_unit_test(a_game_killed_in_mid_step_is_a_cut_episode),
        cmocka_unit_test(a_game_that_hangs_is_cut_at_its_deadline),
        cmocka_unit_test(twenty_thousand_random_steps_are_never_stuck),
        cmocka_unit_test(a_scripted_dive_succeeds_on_its_level),
        cmocka_unit_test(a_death_has_its_cause_and_the_games_own_score),
        cmocka_unit_test(the_step_limit_truncates),
        cmocka_unit_test(a_killed_actor_takes_its_games_along_and_is_swept),
        cmocka_unit_test(a_record_is_a_ttyrec_of_the_episode),
        cmocka_unit_test(wrong_constants_are_refused_by_name),
        cmocka_unit_test(actions_and_roles_can_be_chosen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
