/* The small parts of launch: ports, values out of JSON lines, following a log. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/child.h"
#include "launch/jsonline.h"
#include "launch/port.h"
#include "launch/progress.h"
#include "launch/runstate.h"
#include "launch/scratch.h"
#include "launch/tail.h"
#include "launch/usage.h"
#include "tests/support/harness.h"

static int listen_anywhere(int *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static void a_port_that_somebody_listens_at_is_in_use(void **state)
{
    int port;
    const int fd = listen_anywhere(&port);

    (void)state;
    assert_int_equal(port_in_use("127.0.0.1", port, 1), port);
    assert_int_equal(port_in_use("127.0.0.1", port, 2), port);
    close(fd);
    assert_int_equal(port_in_use("127.0.0.1", port, 1), 0);
}

static void put(const char *run, const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(harness_path(run, name), bytes_text(text)),
                     ST_OK);
}

static void who_leaves_at_once_five_times_is_given_up(void **state)
{
    const char *run = harness_make_dir();
    struct child c;

    (void)state;
    child_init(&c, "judge", 0, run);
    for (int i = 1; i <= CHILD_DEATHS; i++) {
        assert_int_equal(c.state, CHILD_WAITING);
        c.state = CHILD_RUNNING;
        c.pid = fork(); // whose session child_ended() sweeps
        if (c.pid == 0) {
            _exit(0);
        }
        assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
        c.started_ms = (uint64_t)i * 4000;
        harness_stderr_begin();
        child_ended(&c, 0, false, c.started_ms + 100);
        (void)harness_stderr_end();
    }
    assert_int_equal(c.state, CHILD_GIVEN_UP);
    child_release(&c);
    harness_remove_dir(run);
}

static void a_run_without_a_label_says_so_at_its_end(void **state)
{
    const char *run = harness_make_dir();

    (void)state;
    put(run, "summary.json",
        "{\"labels\": 0, \"questions_asked\": 70, \"verdicts_timeout\": 60}\n");
    harness_stderr_begin();
    progress_print_no_label(run);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "NO LABEL ever came"));
    assert_non_null(
        strstr(said, "70 questions were asked, of the answers timed out 60"));
    put(run, "summary.json", "{\"labels\": 1, \"questions_asked\": 70}\n");
    harness_stderr_begin();
    progress_print_no_label(run);
    assert_string_equal(harness_stderr_end(), "");
    harness_remove_dir(run);
}

static void only_numeric_addresses_of_this_machine_can_be_listened_on(void **state)
{
    (void)state;
    assert_true(port_address_is_ours("127.0.0.1"));
    assert_true(port_address_is_ours("0.0.0.0"));
    assert_false(port_address_is_ours("192.0.2.1")); // kept for documents, RFC 5737
    assert_false(port_address_is_ours("localhost"));
    assert_false(port_address_is_ours(""));
}

static void what_killed_ranks_left_in_memory_is_swept(void **state)
{
    const char *run = harness_make_dir();
    char path[SCRATCH_PATH_MAX], again[SCRATCH_PATH_MAX];

    (void)state;
    assert_true(scratch_make(run, path));
    assert_int_equal(file_write_atomic(harness_path(path, "segment"), bytes_text("x")),
                     ST_OK);
    assert_true(scratch_make(run, again));
    assert_string_equal(path, again);
    assert_false(file_exists(harness_path(path, "segment")));
    assert_true(scratch_remove(run));
    assert_false(file_exists(path));
    assert_true(scratch_remove(run));
    harness_remove_dir(run);
}

static void the_last_update_goes_past_the_steps_but_not_past_100_percent(void **state)
{
    static const char json[] = "{\"state\": \"stopping\", \"env_steps\": 101024, "
                               "\"steps\": 100000, \"seconds\": 7, \"sps\": null}";
    const char *run = harness_make_dir();
    char line[512];

    (void)state;
    assert_false(progress_ends(run));
    assert_int_equal(
        file_write_atomic(harness_path(run, "progress.json"), bytes_text(json)), ST_OK);
    assert_true(progress_ends(run));
    assert_true(progress_line(run, line, sizeof(line)));
    assert_string_equal(line, "stopping  101.0 k of 100.0 k steps (100 %)  7 s");
    harness_remove_dir(run);
}

static void what_a_model_finds_is_told_not_that_most_captions_do_not_help(void **state)
{
    static const char *const said[][2] = {
        {"\"reward\": \"classify\", \"held_accuracy\": 0.99, \"held_recall\": 0.5, "
         "\"held_precision\": 1}",
         "held out: finds 0.50 of what helps, right about 1.00 of what it finds"},
        {"\"reward\": \"classify\", \"held_accuracy\": 0.99, \"held_recall\": 0, "
         "\"held_precision\": null}",
         "held out: finds 0.00 of what helps"},
        {"\"reward\": \"rank\", \"held_accuracy\": 0.9, \"held_recall\": null}",
         "right about 0.90 of held-out pairs"},
    };
    const char *run = harness_make_dir();
    char line[512], json[256];

    (void)state;
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        text_format(json, sizeof(json), "{\"state\": \"running\", %s", said[i][0]);
        put(run, "progress.json", json);
        assert_true(progress_line(run, line, sizeof(line)));
        const char *at = strstr(line, said[i][1]);
        assert_non_null(at);
        assert_int_equal(strlen(at), strlen(said[i][1]));
    }
    harness_remove_dir(run);
}

/* A progress.json that was written so long ago. */
static void put_progress(const char *run, const char *json, int seconds_ago)
{
    const char *path = harness_path(run, "progress.json");
    const struct timespec then = {.tv_sec =
                                      (time_t)(clock_wall_ms() / 1000) - seconds_ago};
    const struct timespec times[2] = {then, then};

    put(run, "progress.json", json);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_learner_in_a_long_update_runs_as_long_as_its_lock_is_held(void **state)
{
    static const char json[] = "{\"state\": \"running\", \"env_steps\": 4096, "
                               "\"seconds\": 60, \"waiting_for\": \"actors\"}";
    static const char *const locks[] = {"learner.lock", "minos.lock"};
    const char *run = harness_make_dir();
    char line[512];
    int fd;

    (void)state;
    put_progress(run, json, 3);
    assert_int_equal(runstate_of(run), RUN_RUNNING); // where locks do not reach
    put_progress(run, json, 87);
    assert_int_equal(runstate_of(run), RUN_STOPPED);
    assert_true(progress_line(run, line, sizeof(line)));
    assert_string_equal(line, "4096 steps  60 s  waiting for actors");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(file_lock(harness_path(run, locks[i]), &fd), ST_OK);
        assert_int_equal(runstate_of(run), RUN_RUNNING);
        close(fd);
        assert_int_equal(runstate_of(run), RUN_STOPPED);
    }
    assert_int_equal(file_lock(harness_path(run, "learner.lock"), &fd), ST_OK);
    assert_true(progress_line(run, line, sizeof(line)));
    assert_non_null(strstr(line, "4096 steps  14")); // 147 s, or 148
    assert_non_null(strstr(line, "no update has ended for 8"));
    assert_null(strstr(line, "waiting for"));
    put_progress(run, "{\"state\": \"done\"}", 0);
    assert_int_equal(runstate_of(run), RUN_DONE);
    close(fd);
    harness_remove_dir(run);
}

static void a_run_whose_last_start_was_refused_is_what_it_was_before(void **state)
{
    const char *run = harness_make_dir();
    int fd;

    (void)state;
    assert_int_equal(runstate_of(run), RUN_NEVER);
    assert_int_equal(file_lock(harness_path(run, "minos.lock"), &fd), ST_OK);
    assert_int_equal(runstate_of(run), RUN_RUNNING);
    close(fd);
    put(run, "run.json", "{}\n");
    assert_int_equal(runstate_of(run), RUN_STOPPED);
    put(run, "summary.json", "{}\n");
    assert_int_equal(runstate_of(run), RUN_DONE);
    harness_remove_dir(run);
}

static void status_takes_its_directory_before_and_behind_options(void **state)
{
    const char *run = harness_make_dir();
    struct run_options o;
    int code = -1;

    (void)state;
    put(run, "config.ini", "\n");
    for (int i = 0; i < 2; i++) {
        char word[] = "status", json[] = "--json", dir[512];
        char *argv[] = {word, i == 0 ? dir : json, i == 0 ? json : dir, NULL};
        assert_true(text_format(dir, sizeof(dir), "%s", run));
        assert_true(runstate_parse(3, argv, &o, &code));
        assert_true(o.json);
        assert_string_equal(o.run_dir, run);
    }
    char word[] = "status", one[] = "a", two[] = "b";
    char *argv[] = {word, one, two, NULL};
    harness_stderr_begin();
    assert_false(runstate_parse(3, argv, &o, &code));
    assert_non_null(strstr(harness_stderr_end(), "b: not an option"));
    assert_int_equal(code, 2);
    harness_remove_dir(run);
}

static void expect_usage(const char *run, double actors, double judging, double share)
{
    char *json;
    double n = -1;
    size_t len;

    assert_int_equal(file_read(harness_path(run, "summary.json"), 4096, &json, &len),
                     ST_OK);
    assert_true(jsonline_number(json, "cpu_actors_s", &n));
    assert_float_equal(n, actors, 1e-9);
    assert_true(jsonline_number(json, "cpu_judging_s", &n));
    assert_float_equal(n, judging, 1e-9);
    assert_true(jsonline_number(json, "judge_cpu_share", &n));
    assert_float_equal(n, share, 1e-9);
    assert_true(jsonline_number(json, "sps", &n));
    assert_string_equal(json + len - 2, "}\n");
    mem_free(json);
}

static void the_share_of_judging_is_of_all_starts_of_a_run(void **state)
{
    const char *run = harness_make_dir();
    struct usage u;

    (void)state;
    usage_begin(&u, run);
    usage_add(&u, "learner", 50);
    usage_add(&u, "actor", 30);
    usage_add(&u, "actor", 16);
    usage_add(&u, "judge", 1);
    usage_add(&u, NULL, 3);
    put(run, "judging", "0.500\n");
    put(run, "summary.json", "{\"sps\": 7}\n");
    assert_int_equal(usage_end(&u, run), ST_OK);
    expect_usage(run, 46, 0.5, 1.5 / 100);
    // A start that found nothing to do leaves the summary as it is.
    usage_begin(&u, run);
    usage_add(&u, "learner", 1);
    assert_int_equal(usage_end(&u, run), ST_OK);
    expect_usage(run, 46, 0.5, 1.5 / 100);
    usage_begin(&u, run);
    usage_add(&u, "learner", 49);
    usage_add(&u, "judge", 50);
    put(run, "judging", "2.500\n");
    put(run, "summary.json", "{\"sps\": 8}\n");
    assert_int_equal(usage_end(&u, run), ST_OK);
    expect_usage(run, 46, 2.5, 53.5 / 200);
    harness_remove_dir(run);
}

static void values_are_read_by_key(void **state)
{
    static const char json[] = "{\"steps\": 12, \"state\": \"run\\\"ning\", \"not\": "
                               "null, \"key\": \"steps\", "
                               "\"sps\" : 1.5e3, \"empty\": \"\"}";
    double n = -1;
    char text[32];

    (void)state;
    assert_true(jsonline_number(json, "steps", &n) && n == 12);
    assert_true(jsonline_number(json, "sps", &n) && n == 1500);
    assert_false(jsonline_number(json, "not", &n));
    assert_false(jsonline_number(json, "missing", &n));
    assert_false(jsonline_number(json, "state", &n));
    assert_true(jsonline_text(json, "state", text, sizeof(text)));
    assert_string_equal(text, "run\\\"ning");
    assert_true(jsonline_text(json, "empty", text, sizeof(text)) && text[0] == '\0');
    assert_false(jsonline_text(json, "steps", text, sizeof(text)));
    assert_true(jsonline_text(json, "state", text, 3));
    assert_string_equal(text, "ru");
    assert_false(jsonline_number("", "a", &n));
    assert_false(jsonline_number("{\"a\":", "a", &n));
}

static enum child_state end_with(struct child *c, int code, uint64_t lived_ms)
{
    static uint64_t now = 1000000;

    now += 1000000;
    c->started_ms = now - lived_ms;
    c->state = CHILD_RUNNING;
    c->pid = INT_MAX; // nobody's session
    child_ended(c, code << 8, false, now);
    return c->state;
}

/* A judge's server may take its time to say what is wrong. */
static void
exit_code_2_soon_or_twice_in_a_row_is_not_mended_by_another_start(void **state)
{
    const char *run = harness_make_dir();
    struct child c;

    (void)state;
    harness_stderr_begin();
    child_init(&c, "judge", 0, run);
    assert_int_equal(end_with(&c, 2, 900), CHILD_GIVEN_UP);
    child_init(&c, "judge", 0, run);
    assert_int_equal(end_with(&c, 2, 90000), CHILD_WAITING);
    assert_int_equal(end_with(&c, 1, 90000), CHILD_WAITING);
    assert_int_equal(end_with(&c, 2, 90000), CHILD_WAITING);
    assert_int_equal(end_with(&c, 2, 90000), CHILD_GIVEN_UP);
    (void)harness_stderr_end();
    harness_remove_dir(run);
}

static int befores;

static void before(void)
{
    befores++;
}

static void append(const char *path, const char *text)
{
    FILE *f = fopen(path, "ae");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void only_new_lines_from_warn_on_are_shown_and_the_last_ones_kept(void **state)
{
    const char *dir = harness_make_dir(), *path = harness_path(dir, "x.log");
    struct tail t;

    (void)state;
    append(path, "12:00:00.000 actor.0  ERROR OLD-LINE  from an earlier start\n");
    tail_open(&t, path);
    append(path, "12:00:01.000 actor.0  INFO  SOME-INFO  fine\n"
                 "12:00:02.000 actor.0  WARN  SOME-WARN  worse\nplain words WARN \n"
                 "12:00:03.000 actor.0  ERROR HALF");
    harness_stderr_begin();
    tail_follow(&t, before);
    tail_follow(&t, before);
    const char *err = harness_stderr_end();
    assert_string_equal(err, "12:00:02.000 actor.0  WARN  SOME-WARN  worse\n");
    assert_int_equal(befores, 1);
    append(path, "-LINE  gone\n");
    harness_stderr_begin();
    tail_follow(&t, NULL);
    assert_string_equal(harness_stderr_end(),
                        "12:00:03.000 actor.0  ERROR HALF-LINE  gone\n");
    // What a user of a language model waits for is good news, too.
    append(path, "12:00:04.000 judge.0  INFO  LLM-START m answered\n"
                 "12:00:05.000 judge.0  INFO  LLM-STARTED fine\n");
    harness_stderr_begin();
    tail_follow(&t, NULL);
    assert_string_equal(harness_stderr_end(),
                        "12:00:04.000 judge.0  INFO  LLM-START m answered\n");
    harness_stderr_begin();
    tail_print_last(&t);
    err = harness_stderr_end();
    assert_non_null(strstr(err, "fine\n"));
    assert_non_null(strstr(err, "plain words"));
    assert_null(strstr(err, "earlier start"));
    harness_remove_dir(dir);
}

/* Open MPI 4.1's own words. */
static void what_mpi_says_of_every_end_is_kept_only_where_nobody_tells_why(void **state)
{
    static const char error[] = "00:54:20.113 learner.0 ERROR BOW-GOAL     no word\n";
    static const char mpi[] =
        "--------------------------------------------------------------------------\n"
        "MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD\n"
        "with errorcode 2.\n"
        "\n"
        "NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.\n"
        "You may or may not see output from other processes, depending on\n"
        "exactly when Open MPI kills them.\n"
        "--------------------------------------------------------------------------\n"
        "[vm:08154] 1 more process has sent help message help-mpi-api.txt\n";
    const char *dir = harness_make_dir();
    struct tail t;

    (void)state;
    for (int told = 0; told < 2; told++) {
        char text[2048];
        put(dir, "log", "");
        tail_open(&t, harness_path(dir, "log"));
        text_format(text, sizeof(text), "%s%s%s", told == 1 ? error : "", mpi, mpi);
        FILE *f = fopen(harness_path(dir, "log"), "a");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        fclose(f);
        harness_stderr_begin();
        tail_follow(&t, NULL);
        tail_print_last(&t);
        const char *said = harness_stderr_end();
        assert_int_equal(tail_has_told(&t), told == 1);
        assert_int_equal(strstr(said, "no word") != NULL, told == 1);
        assert_int_equal(strstr(said, "MPI") == NULL, told == 1);
        assert_int_equal(strstr(said, "[vm:08154]") == NULL, told == 1);
        assert_int_equal(strstr(said, "---") == NULL, told == 1);
        tail_begin(&t);
        assert_false(tail_has_told(&t));
    }
    harness_remove_dir(dir);
}

static void a_line_without_end_does_not_grow_without_end(void **state)
{
    const char *dir = harness_make_dir(), *path = harness_path(dir, "y.log");
    struct tail t;

    (void)state;
    tail_open(&t, path); // not there yet
    for (int i = 0; i < 1000; i++) {
        append(path, "0123456789");
    }
    append(path, "\nlast\n");
    tail_follow(&t, NULL);
    harness_stderr_begin();
    tail_print_last(&t);
    const char *err = harness_stderr_end();
    assert_true(strlen(err) < TAIL_LINE_MAX + 32);
    assert_non_null(strstr(err, "last\n"));
    harness_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_that_somebody_listens_at_is_in_use),
        cmocka_unit_test(who_leaves_at_once_five_times_is_given_up),
        cmocka_unit_test(a_run_without_a_label_says_so_at_its_end),
        cmocka_unit_test(only_numeric_addresses_of_this_machine_can_be_listened_on),
        cmocka_unit_test(what_killed_ranks_left_in_memory_is_swept),
        cmocka_unit_test(the_last_update_goes_past_the_steps_but_not_past_100_percent),
        cmocka_unit_test(what_a_model_finds_is_told_not_that_most_captions_do_not_help),
        cmocka_unit_test(a_learner_in_a_long_update_runs_as_long_as_its_lock_is_held),
        cmocka_unit_test(a_run_whose_last_start_was_refused_is_what_it_was_before),
        cmocka_unit_test(status_takes_its_directory_before_and_behind_options),
        cmocka_unit_test(the_share_of_judging_is_of_all_starts_of_a_run),
        cmocka_unit_test(
            exit_code_2_soon_or_twice_in_a_row_is_not_mended_by_another_start),
        cmocka_unit_test(values_are_read_by_key),
        cmocka_unit_test(only_new_lines_from_warn_on_are_shown_and_the_last_ones_kept),
        cmocka_unit_test(
            what_mpi_says_of_every_end_is_kept_only_where_nobody_tells_why),
        cmocka_unit_test(a_line_without_end_does_not_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
