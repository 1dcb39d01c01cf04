/* minos train with the real programs on bandit, where disks fill up, files are damaged,
 * NetHack is missing, processes are killed or stand still, and strangers call. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "launch/scratch.h"
#include "tests/support/harness.h"
#include "tests/support/runner.h"

static char dir[PATH_MAX_], disk[PATH_MAX_ + 8], run[PATH_MAX_ + 16];
static char run_flag[PATH_MAX_ + 32], port_flag[32], minos[PATH_MAX_];
static int runs, port;
static bool may_mount;

/* A name space of our own: what is mounted in it is seen by our children alone and goes
 * with us. Not every system lets ordinary users have one. */
static bool own_mounts(void)
{
    const unsigned uid = (unsigned)geteuid();
    char map[64];

    if (uid != 0) {
        text_format(map, sizeof(map), "%u %u 1\n", uid, uid);
        if (unshare(CLONE_NEWUSER) != 0) {
            return false;
        }
        FILE *f = fopen("/proc/self/uid_map", "we");
        if (f == NULL || fputs(map, f) < 0 || fclose(f) != 0) {
            return false;
        }
    }
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void mount_disk(const char *size)
{
    char options[64];

    if (!may_mount) {
        skip();
    }
    text_format(options, sizeof(options), "size=%s,mode=0777", size);
    assert_int_equal(mount("minos-test", disk, "tmpfs", 0, options), 0);
    text_format(run, sizeof(run), "%s/run", disk);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
}

static int set_up(void **state)
{
    (void)state;
    text_format(run, sizeof(run), "%s/run-%d", dir, runs++);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    port = runner_free_port();
    text_format(port_flag, sizeof(port_flag), "--port=%d", port);
    return 0;
}

/* Also after a test that failed: nothing of it stays. */
static int tear_down(void **state)
{
    pid_t pid;

    (void)state;
    for (int i = 0; i < 500 && runner_count("", run, &pid) > 0; i++) {
        kill(pid, SIGKILL);
        clock_sleep_ms(20);
    }
    (void)umount2(disk, MNT_DETACH);
    return file_remove_tree(run) == ST_OK ? 0 : -1;
}

static double number_in(const char *name, const char *key)
{
    return runner_json_number(run, name, key);
}

static bool has_steps(void *least)
{
    return number_in("progress.json", "env_steps") >= *(const double *)least;
}

static void wait_steps(double least)
{
    if (!runner_wait_for(has_steps, &least, RUNNER_PATIENCE_MS)) {
        fail_msg("never %g steps: %s", least, runner_output(dir));
    }
}

static bool nothing_runs(void *arg)
{
    (void)arg;
    return runner_count("", run_flag, NULL) == 0;
}

static pid_t start(const char *option)
{
    return runner_start(dir, minos, "train", run_flag, port_flag, "--env=bandit",
                        "--checkpoint-seconds=1", "--store-mb=16", option, NULL);
}

static void ends_with(pid_t pid, int code)
{
    const int got = runner_wait(pid, RUNNER_PATIENCE_MS);

    if (got != code) {
        fail_msg("exit code %d, not %d: %s", got, code, runner_output(dir));
    }
    assert_true(runner_wait_for(nothing_runs, NULL, RUNNER_PATIENCE_MS));
}

static void says(const char *text)
{
    if (strstr(runner_output(dir), text) == NULL) {
        fail_msg("not \"%s\" but %s", text, runner_output(dir));
    }
}

static void audit_balances(void)
{
    if (runner_run(dir, minos, "audit", run_flag, NULL) != 0) {
        fail_msg("the audit does not balance: %s", runner_output(dir));
    }
}

/* ---- disks and files ---- */

static void fill_disk(void)
{
    static const char block[65536];
    char path[PATH_MAX_ + 16];

    text_format(path, sizeof(path), "%s/full", disk);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0) {
    }
    close(fd);
}

static void a_disk_that_is_full_at_the_start_is_an_error(void **state)
{
    (void)state;
    mount_disk("64k");
    fill_disk();
    ends_with(start(NULL), 1);
    says("No space left on device");
}

static void a_disk_that_fills_up_ends_a_run_which_later_goes_on(void **state)
{
    char full[PATH_MAX_ + 16];

    (void)state;
    mount_disk("160m");
    const pid_t pid = start(NULL);
    wait_steps(20000);
    fill_disk();
    ends_with(pid, 1);
    says("No space left on device");
    says("the fifth time in two minutes");
    text_format(full, sizeof(full), "%s/full", disk);
    assert_int_equal(unlink(full), 0);
    ends_with(start("--steps=60000"), 0);
    assert_true(number_in("summary.json", "env_steps") >= 60000);
    assert_null(strstr(runner_output(dir), "CHECKPOINT-BAD")); // none half written
    audit_balances();
}

static void a_run_directory_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    mount_disk("1m");
    assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ends_with(start(NULL), 1);
    says("Read-only file system");
}

/* A FUSE mount of somebody else's that nobody serves: the kernel tells its kind all the
 * same. */
static void a_store_on_a_network_file_system_is_refused(void **state)
{
    char options[96], store[PATH_MAX_ + 32];
    const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    (void)state;
    text_format(options, sizeof(options),
                "fd=%d,rootmode=40000,user_id=12345,group_id=12345", fuse);
    if (!may_mount || fuse < 0 || mount("minos-test", disk, "fuse", 0, options) != 0) {
        close(fuse);
        skip();
    }
    text_format(store, sizeof(store), "--store-dir=%s", disk);
    ends_with(start(store), 2);
    says("is on a network file system (FUSE)");
    assert_false(file_exists(run));
    close(fuse);
}

/* Cuts policy.bin in every checkpoint from update `least` on; how many. */
static int damage(int least)
{
    char path[PATH_MAX_ + 64];
    int count = 0;

    for (int update = least; update < 1000; update++) {
        text_format(path, sizeof(path), "%s/checkpoint-%d/policy.bin", run, update);
        if (file_exists(path)) {
            assert_int_equal(truncate(path, 100), 0);
            count++;
        }
    }
    return count;
}

static int newest_checkpoint(void)
{
    char path[PATH_MAX_ + 64];
    int newest = -1;

    for (int update = 0; update < 1000; update++) {
        text_format(path, sizeof(path), "%s/checkpoint-%d", run, update);
        newest = file_exists(path) ? update : newest;
    }
    return newest;
}

static void a_damaged_checkpoint_is_passed_over_and_without_any_the_run_waits(void **s)
{
    (void)s;
    ends_with(start("--steps=40000"), 0);
    assert_int_equal(damage(newest_checkpoint()), 1);
    ends_with(start("--steps=60000"), 0);
    says("CHECKPOINT-BAD");
    says("the newest that is whole");
    audit_balances();
    const int newest = newest_checkpoint();
    assert_int_equal(damage(0), 2);
    for (int again = 0; again < 2; again++) {
        ends_with(start("--steps=80000"), 2);
        says("is whole; restore one from a copy, or begin another run directory");
        assert_int_equal(newest_checkpoint(), newest);
    }
}

static void a_run_of_another_format_is_refused(void **state)
{
    static const char other[] = "{\"format\": 99, \"run\": \"1\", \"start\": 1}\n";
    char path[PATH_MAX_ + 64];

    (void)state;
    ends_with(start("--steps=5000"), 0);
    const int newest = newest_checkpoint();
    for (int update = 0; update <= newest; update++) {
        text_format(path, sizeof(path), "%s/checkpoint-%d/manifest.json", run, update);
        if (file_exists(path)) {
            assert_int_equal(file_write_atomic(path, bytes_text(other)), ST_OK);
        }
    }
    ends_with(start("--steps=9000"), 2);
    says("its manifest has another format");
    assert_int_equal(newest_checkpoint(), newest);
    assert_int_equal(
        file_write_atomic(harness_path(run, "run.json"), bytes_text(other)), ST_OK);
    ends_with(start("--steps=9000"), 2);
    says("run.json has format 99, this program reads and writes ");
}

static void without_nethack_the_package_is_named(void **state)
{
    (void)state;
    if (!may_mount || !file_exists("/usr/lib/games/nethack")) {
        skip();
    }
    assert_int_equal(mount("none", "/usr/lib/games/nethack", "tmpfs", 0, NULL), 0);
    const int code =
        runner_run(dir, minos, "train", run_flag, "--env=nethack-stairs3", NULL);
    umount2("/usr/lib/games/nethack", MNT_DETACH);
    assert_int_equal(code, 2);
    says("apt-get install --no-install-recommends nethack-console");
    assert_false(file_exists(run));
}

/* ---- processes ---- */

static pid_t pid_of(const char *program)
{
    char path[PATH_MAX_ + 32];
    pid_t pid = 0, mpirun = 0;

    runner_count("mpirun", run_flag, &mpirun);
    if (strcmp(program, "mpirun") == 0) {
        return mpirun;
    }
    text_format(path, sizeof(path), "%s/%s --run-dir", getenv("MINOS_BIN"), program);
    assert_true(runner_last(path, run_flag, &pid) && pid != mpirun);
    return pid;
}

static void a_run_survives_mpirun_and_minos_and_leaves_nothing_in_memory(void **state)
{
    char scratch[SCRATCH_PATH_MAX];
    const char *other = harness_make_dir();

    (void)state;
    const pid_t pid = start(NULL);
    wait_steps(10000);
    assert_true(scratch_path(run, scratch) && file_exists(scratch));
    kill(pid_of("mpirun"), SIGKILL);
    wait_steps(number_in("progress.json", "env_steps") + 10000);
    kill(pid, SIGKILL);
    assert_int_equal(runner_wait(pid, RUNNER_PATIENCE_MS), 128 + SIGKILL);
    wait_steps(number_in("progress.json", "env_steps") + 5000);
    assert_int_equal(runner_run(other, minos, "train", run_flag, NULL), 1);
    assert_non_null(strstr(runner_output(other), "minos stop ends that"));
    assert_int_equal(runner_run(other, minos, "stop", run_flag, NULL), 0);
    harness_remove_dir(other);
    assert_true(runner_wait_for(nothing_runs, NULL, RUNNER_PATIENCE_MS));
    assert_false(file_exists(scratch));
    audit_balances();
}

/* 5.5 s: actors and judges are given up after 5, and come back. */
static void who_stands_still_for_a_while_goes_on(void **state)
{
    static const char *const programs[] = {"minos-actor", "minos-judge",
                                           "minos-learner"};
    pid_t stopped[3];

    (void)state;
    const pid_t pid = start(NULL);
    wait_steps(10000);
    for (int i = 0; i < 3; i++) {
        stopped[i] = pid_of(programs[i]);
    }
    kill(stopped[0], SIGSTOP);
    kill(stopped[1], SIGSTOP);
    clock_sleep_ms(5500);
    kill(stopped[2], SIGSTOP);
    kill(stopped[0], SIGCONT);
    kill(stopped[1], SIGCONT);
    clock_sleep_ms(3500);
    kill(stopped[2], SIGCONT);
    wait_steps(number_in("progress.json", "env_steps") + 20000);
    kill(pid, SIGINT);
    ends_with(pid, 0);
    assert_true(number_in("summary.json", "starts") == 1); // nobody had to be killed
    audit_balances();
}

/* ---- strangers ---- */

/* What libzmq says first: greeting, mechanism NULL, a DEALER. */
static size_t greet(uint8_t *out)
{
    static const uint8_t ready[] = "\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06"
                                   "DEALER";

    memset(out, 0, 64);
    out[0] = 0xff;
    out[9] = 0x7f;
    out[10] = 3;
    text_format((char *)out + 12, 8, "NULL");
    memcpy(out + 64, ready, sizeof(ready) - 1);
    return 64 + sizeof(ready) - 1;
}

/* One call: noise, or a proper greeting and frames; some with a header of ours, one that
 * claims 2^62 bytes. Left open; gives the socket. */
static int call_as_stranger(struct rng *rng, int kind)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    uint8_t bytes[1024];
    size_t len = kind % 4 == 0 ? 0 : greet(bytes);
    const size_t said = len;

    while (len < sizeof(bytes)) {
        bytes[len++] = (uint8_t)rng_below(rng, 256);
    }
    if (kind % 4 == 1) { // two frames of 200 bytes
        bytes[said] = bytes[said + 202] = 0;
        bytes[said + 1] = bytes[said + 203] = 200;
        memcpy(bytes + said + 2, "MINO\1\2\0", 8);
        len = said + 404;
    } else if (kind % 4 == 2) {
        memcpy(bytes + said, "\2\x40\0\0\0\0\0\0\0", 9);
    }
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0) {
        (void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return fd;
}

static int lines_with(const char *name, const char *word)
{
    char *text;
    size_t len;
    int count = 0;

    assert_int_equal(file_read(harness_path(run, name), 1 << 24, &text, &len), ST_OK);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    mem_free(text);
    return count;
}

static void strangers_on_the_port_are_dropped_counted_and_do_no_harm(void **state)
{
    enum { CALLS = 1200, OPEN = 40, STOP_AT = 900 };
    struct rng rng;
    int open_fd[OPEN];

    (void)state;
    rng_init(&rng, 1);
    memset(open_fd, -1, sizeof(open_fd));
    const pid_t pid = start(NULL);
    wait_steps(10000);
    const uint64_t from_ms = clock_ms(clock_system());
    for (int i = 0; i < CALLS; i++) {
        if (open_fd[i % OPEN] >= 0) {
            close(open_fd[i % OPEN]);
        }
        open_fd[i % OPEN] = call_as_stranger(&rng, i);
        clock_sleep_ms(3);
        if (i == STOP_AT) {
            wait_steps(number_in("progress.json", "env_steps") + 5000);
            kill(pid, SIGINT); // an orderly stop amid noise
        }
    }
    for (int i = 0; i < OPEN; i++) {
        close(open_fd[i]);
    }
    ends_with(pid, 0);
    const int seconds = (int)((clock_ms(clock_system()) - from_ms) / 1000);
    const int lines = lines_with("logs/learner-0.log", "INTAKE-BAD");
    assert_true(lines >= 1 && lines <= seconds + 2);
    assert_true(number_in("summary.json", "starts") == 1);
    audit_balances();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disk_that_is_full_at_the_start_is_an_error),
        TEST(a_disk_that_fills_up_ends_a_run_which_later_goes_on),
        TEST(a_run_directory_that_cannot_be_written_is_an_error),
        TEST(a_store_on_a_network_file_system_is_refused),
        TEST(a_damaged_checkpoint_is_passed_over_and_without_any_the_run_waits),
        TEST(a_run_of_another_format_is_refused),
        TEST(without_nethack_the_package_is_named),
        TEST(a_run_survives_mpirun_and_minos_and_leaves_nothing_in_memory),
        TEST(who_stands_still_for_a_while_goes_on),
        TEST(strangers_on_the_port_are_dropped_counted_and_do_no_harm),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    may_mount = own_mounts();
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(disk, sizeof(disk), "%s/disk", dir);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    int failed = file_make_dirs(disk) == ST_OK ? 0 : 1;
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
