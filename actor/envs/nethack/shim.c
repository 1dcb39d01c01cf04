/* The shim that is preloaded into Debian's own NetHack: in place of a terminal it gives
 * the game a page shared with the driver. See README.md, "How it works". This file: the
 * streams and the end; shim_hooks.c: the functions of libc that the game calls. */

#include "actor/envs/nethack/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

struct page *shim_page;

static uint64_t random_state;
static int record_fd = -1;

enum { RECORD_HEAD = 12, RECORD_KEY_MS = 200 };

/* One ttyrec frame: seconds, microseconds, length (little endian) and the bytes. The
 * time is the keys', five a second: real time would show a game in a blink. */
static void record_frame(const char *bytes, size_t len)
{
    const uint64_t ms = shim_page->keys.pressed * RECORD_KEY_MS;
    const uint32_t head[3] = {(uint32_t)(ms / 1000), (uint32_t)(ms % 1000) * 1000,
                              (uint32_t)len};
    _Static_assert(sizeof(head) == RECORD_HEAD, "three words");

    // A full disk ends the record, not the game.
    if (write(record_fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
        write(record_fd, bytes, len) != (ssize_t)len) {
        close(record_fd);
        record_fd = -1;
    }
}

static ssize_t screen_write(void *cookie, const char *bytes, size_t len)
{
    (void)cookie;
    if (record_fd >= 0) {
        record_frame(bytes, len);
    }
    terminal_write(&shim_page->screen, bytes, len);
    return (ssize_t)len;
}

/* The game wants a key; stdin is unbuffered, so `size` is 1. It waits exactly here, and
 * everything that it drew is on the page: nothing is guessed from time or silence. */
static ssize_t key_read(void *cookie, char *buf, size_t size)
{
    struct page *p = shim_page;
    enum demand prompt;

    (void)cookie;
    if (size == 0) {
        return 0;
    }
    fflush(stdout);
    int key = keys_next(&p->keys, &p->screen, &prompt);
    if (key == KEYS_STOP) {
        p->prompt = (uint8_t)prompt;
        page_to_driver(p);
        page_await_game(p);
        key = keys_begin(&p->keys, p->key);
    }
    buf[0] = (char)(unsigned char)key;
    return 1;
}

/* splitmix64, as common/base/rng.h has it; the shim links nothing of ours but the page. */
static uint64_t random_next(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static ssize_t random_read(void *cookie, char *buf, size_t size)
{
    (void)cookie;
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        const uint64_t word = random_next();
        const size_t left = size - at;
        memcpy(buf + at, &word, left < sizeof(word) ? left : sizeof(word));
    }
    return (ssize_t)size;
}

FILE *shim_random_open(void)
{
    const cookie_io_functions_t io = {.read = random_read};
    FILE *f = fopencookie(NULL, "r", io);

    if (f != NULL) {
        // A buffer would draw 4 KB for the 8 bytes that are read.
        setvbuf(f, NULL, _IONBF, 0);
    }
    return f;
}

static void at_end(void)
{
    fflush(stdout);
    atomic_store(&shim_page->over, 1);
    page_to_driver(shim_page);
}

/* Ends the process before the game begins. The driver sees a child that died at start
 * and says what the environment variable named. */
_Noreturn static void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "minos-nethack-shim: %s: %s\n", what, strerror(errno));
    _exit(127);
}

static struct page *map_page(const char *path)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        give_up(path);
    }
    struct page *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        give_up(path);
    }
    close(fd);
    if (p->version != PAGE_VERSION) {
        errno = EPROTO;
        give_up(path);
    }
    return p;
}

static void replace_streams(void)
{
    static char out_buffer[16384];
    const cookie_io_functions_t out_io = {.write = screen_write};
    const cookie_io_functions_t in_io = {.read = key_read};
    FILE *out = fopencookie(NULL, "w", out_io);
    FILE *in = fopencookie(NULL, "r", in_io);

    if (out == NULL || in == NULL) {
        give_up("fopencookie");
    }
    setvbuf(out, out_buffer, _IOFBF, sizeof(out_buffer));
    setvbuf(in, NULL, _IONBF, 0);
    // Hooking read() and write() would not do: stdio calls libc's own, past the PLT. The
    // executable copy-relocates these two objects, so it sees the new ones, as libc does.
    stdout = out;
    stdin = in;
}

__attribute__((constructor)) static void shim_begin(void)
{
    const char *path = getenv(PAGE_VARIABLE);
    const struct rlimit no_core = {0, 0};

    if (path == NULL) {
        return;
    }
    struct page *p = map_page(path);
    // A game never outlives its actor; the second line is for an actor that died before.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != p->parent) {
        _exit(127);
    }
    prctl(PR_SET_NAME, "nethack"); // executed by a descriptor, it would be called 5
    // Descriptors that the actor or its libraries did not mark as their own.
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    random_state = p->seed;
    if (p->record[0] != '\0') {
        record_fd = open(p->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    shim_page = p;
    replace_streams();
    if (atexit(at_end) != 0) {
        give_up("atexit");
    }
}
