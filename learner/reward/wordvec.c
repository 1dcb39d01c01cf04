#include "learner/reward/wordvec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "learner/reward/wordvec_line.h"

enum {
    ROOM = 4 << 20,      // bytes read at once, and what is left of a line
    LINE_MOST = 1 << 20, // a word and 4,096 numbers are far less
    DIM_MOST = 4096,
    KEPT = 8192,    // vectors: 10 MB of 300 numbers
    TELL_MS = 5000, // between lines that say how far it is
    TAG_BITS = 24,
    AT_BITS = 40 // of an offset: 1 TB
};
static const uint64_t at_mask = ((uint64_t)1 << AT_BITS) - 1;
static const uint64_t offset_most = ((uint64_t)1 << AT_BITS) - 1;

struct kept {
    struct hash128 word;
    uint32_t row; // of vector, from 1; 0 = free
};

struct wordvec {
    char path[PATH_MAX_];
    int fd, dim;
    uint64_t words, size, mtime_ns;
    struct hash128 digest;
    /* Open addressing; 0 = free (line 1 begins at 0 and is no word), else the hash's upper
     * bits, then where the line begins. Words of one hash stand in the file's order, each once:
     * where it comes first. */
    uint64_t *slot, slot_mask;
    char *line; // room for the longest, and a 0
    size_t line_most;
    struct kept *kept; // (kept_mask + 1)
    uint32_t kept_mask, kept_rows, kept_count;
    float *vector; // (kept_rows, dim)
};

/* ---- the first reading ---- */

/* What is read and not yet taken lies in data[begin..end). */
struct reading {
    struct wordvec *v;
    struct hash_state *digest;
    char *data;
    size_t begin, end, room;
    uint64_t at;   // in the file, of data[begin]
    uint64_t line; // number of the line at data[begin], from 1
    uint64_t told_ms;
};

static enum status broken(const struct reading *r, const char *why)
{
    LOG_ERROR("WORDVEC-LINE", "%s, line %" PRIu64 ", is not as a .vec file is: %s",
              r->v->path, r->line, why);
    return ST_INVALID;
}

static enum status failed(const struct wordvec *v, const char *what)
{
    LOG_ERROR("WORDVEC-FILE", "cannot %s %s, %s", what, v->path, strerror(errno));
    return ST_IO;
}

static void tell(struct reading *r)
{
    const uint64_t now = clock_ms(clock_system());

    if (now - r->told_ms >= TELL_MS) {
        r->told_ms = now;
        LOG_INFO("WORDVEC-READ", "reading %s, %.0f %% of %.1f GB", r->v->path,
                 100 * (double)(r->at + r->end - r->begin) / (double)r->v->size,
                 (double)r->v->size * 1e-9);
    }
}

static ssize_t read_at(const struct wordvec *v, void *out, size_t len, uint64_t at)
{
    ssize_t n;

    do {
        n = pread(v->fd, out, len, (off_t)at);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* ST_NOTFOUND: nothing more is there. */
static enum status read_piece(struct reading *r)
{
    ssize_t n;

    memmove(r->data, r->data + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
    if (stop_asked()) {
        return ST_CLOSED;
    }
    n = read_at(r->v, r->data + r->end, r->room - r->end, r->at + r->end);
    if (n < 0) {
        return failed(r->v, "read");
    }
    if (n == 0) {
        return ST_NOTFOUND;
    }
    hash_add(r->digest, bytes_of(r->data + r->end, (size_t)n));
    r->end += (size_t)n;
    tell(r);
    return ST_OK;
}

/* *out is the next line without its end, borrowed until the next call. ST_NOTFOUND: the
 * file is over. */
static enum status next_line(struct reading *r, struct bytes *out)
{
    const char *end;
    size_t seen = 0;

    while ((end = memchr(r->data + r->begin + seen, '\n', r->end - r->begin - seen)) ==
           NULL) {
        seen = r->end - r->begin;
        if (seen > LINE_MOST) {
            return broken(r, "it is longer than 1 MB");
        }
        const enum status st = read_piece(r);
        if (st == ST_NOTFOUND && seen > 0) {
            return broken(r, "the file ends within it: it was cut off");
        }
        TRY(st);
    }
    *out = bytes_of(r->data + r->begin, (size_t)(end - r->data) - r->begin);
    if (out->len > LINE_MOST) {
        return broken(r, "it is longer than 1 MB");
    }
    return ST_OK;
}

static void line_done(struct reading *r, struct bytes line)
{
    struct wordvec *v = r->v;

    v->line_most = line.len > v->line_most ? line.len : v->line_most;
    r->begin += line.len + 1;
    r->at += line.len + 1;
    r->line++;
}

static uint64_t tag_of(uint64_t hash)
{
    return hash >> (64 - TAG_BITS) << AT_BITS;
}

/* Whether the line at `at` is of that word. What cannot be read is not: a file that is no
 * more what it was is found out at the end. */
static bool stands_at(const struct wordvec *v, uint64_t at, struct bytes word)
{
    const char *rest = word.data;
    char piece[256];

    for (size_t left = word.len; left > 0;) {
        const size_t n = left < sizeof(piece) ? left : sizeof(piece) - 1;
        // with the byte behind it, which of the last piece ends the word
        if (read_at(v, piece, n + 1, at) != (ssize_t)n + 1 ||
            memcmp(piece, rest, n) != 0 || (n == left && piece[n] != ' ')) {
            return false;
        }
        rest += n;
        at += n;
        left -= n;
    }
    return true;
}

/* A word that is there already is not put again: many of one would make a heap through which
 * each of them, and whatever comes to lie behind it, has to go. */
static void put(struct wordvec *v, struct bytes word, uint64_t at)
{
    const uint64_t hash = hash_64(word);
    uint64_t i = hash & v->slot_mask;

    for (; v->slot[i] != 0; i = (i + 1) & v->slot_mask) {
        if ((v->slot[i] & ~at_mask) == tag_of(hash) &&
            stands_at(v, v->slot[i] & at_mask, word)) {
            return;
        }
    }
    v->slot[i] = tag_of(hash) | at;
}

/* "2000000 300". Every word takes a letter, a blank and a digit for each number, and the
 * end of its line: what the first line says is bounded by the file before memory is taken. */
static enum status take_first_line(struct reading *r)
{
    struct wordvec *v = r->v;
    unsigned long long words;
    struct bytes line;
    char text[64] = "";
    int dim, used = 0;
    uint64_t slots = 2;

    const enum status st = next_line(r, &line);
    if (st == ST_NOTFOUND) {
        return broken(r, "the file is empty");
    }
    TRY(st);
    if (line.len < sizeof(text)) {
        memcpy(text, line.data, line.len);
    }
    if (memchr(text, '-', sizeof(text)) != NULL ||
        sscanf(text, "%19llu %9d %n", &words, &dim, &used) != 2 || used == 0 ||
        text[used] != '\0') {
        return broken(r,
                      "its first line is not 'words dimensions', as in '2000000 300'; "
                      "packed files must be unpacked, .bin files are another format");
    }
    if (words < 1 || dim < 1 || dim > DIM_MOST) {
        return broken(r, "it needs 1 word or more, of 1 to 4,096 dimensions");
    }
    if (words > v->size / (2 * (uint64_t)dim + 2)) {
        return broken(r,
                      "it promises more words than the file has room for: it was cut "
                      "off, or the line is wrong");
    }
    v->words = words;
    v->dim = dim;
    for (; slots < words + words / 3 + 1; slots *= 2) {
    }
    v->slot = mem_new(slots, sizeof(*v->slot));
    v->slot_mask = slots - 1;
    line_done(r, line);
    return ST_OK;
}

static enum status take_words(struct reading *r)
{
    struct wordvec *v = r->v;
    char why[WORDVEC_WHY_MAX];
    struct bytes line;

    for (uint64_t n = 0; n < v->words; n++) {
        const enum status st = next_line(r, &line);
        if (st == ST_NOTFOUND) {
            text_format(why, sizeof(why),
                        "the file ends here with %" PRIu64 " words, its first line "
                        "promises %" PRIu64 ": it was cut off",
                        n, v->words);
            return broken(r, why);
        }
        TRY(st);
        if (!wordvec_line_check(line, v->dim, why)) {
            return broken(r, why);
        }
        put(v, wordvec_line_word(line), r->at);
        line_done(r, line);
    }
    const enum status st = next_line(r, &line);
    if (st == ST_OK) {
        text_format(why, sizeof(why),
                    "the first line promises %" PRIu64 " words, here "
                    "begins one more",
                    v->words);
        return broken(r, why);
    }
    return st == ST_NOTFOUND ? ST_OK : st;
}

/* ---- whether it is still the same ---- */

static enum status look(const struct wordvec *v, uint64_t *size, uint64_t *mtime_ns)
{
    struct stat s;

    if (fstat(v->fd, &s) != 0) {
        return failed(v, "look at");
    }
    *size = (uint64_t)s.st_size;
    *mtime_ns = (uint64_t)s.st_mtim.tv_sec * 1000000000U + (uint64_t)s.st_mtim.tv_nsec;
    return ST_OK;
}

static enum status changed(const struct wordvec *v)
{
    LOG_ERROR(
        "WORDVEC-CHANGED",
        "%s was changed or cut off while it is in use; put it back as it was, its "
        "words can be read no more",
        v->path);
    return ST_CORRUPT;
}

static enum status check_same(const struct wordvec *v)
{
    uint64_t size, mtime_ns;

    TRY(look(v, &size, &mtime_ns));
    return size == v->size && mtime_ns == v->mtime_ns ? ST_OK : changed(v);
}

/* ---- opening ---- */

static enum status open_file(struct wordvec *v, const char *path)
{
    struct stat s;

    if (!text_format(v->path, sizeof(v->path), "%s", path)) {
        LOG_ERROR("WORDVEC-FILE", "the path of the word vectors is too long");
        return ST_INVALID;
    }
    v->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (v->fd < 0) {
        (void)failed(v, "open");
        return ST_INVALID; // as a setting is
    }
    if (fstat(v->fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        LOG_ERROR("WORDVEC-FILE", "%s is not a file", path);
        return ST_INVALID;
    }
    TRY(look(v, &v->size, &v->mtime_ns));
    if (v->size > offset_most) {
        LOG_ERROR("WORDVEC-FILE", "%s is larger than 1 TB", path);
        return ST_INVALID;
    }
    (void)posix_fadvise(v->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return ST_OK;
}

static enum status read_all(struct wordvec *v)
{
    struct reading r = {.v = v,
                        .digest = hash_begin(),
                        .room = v->size < ROOM ? (size_t)v->size + 1 : ROOM,
                        .line = 1,
                        .told_ms = clock_ms(clock_system())};
    enum status st;

    r.data = mem_new(r.room, 1);
    st = take_first_line(&r);
    st = st == ST_OK ? take_words(&r) : st;
    v->digest = hash_end(r.digest);
    mem_free(r.data);
    return st == ST_OK ? check_same(v) : st;
}

static void take_room(struct wordvec *v)
{
    v->line = mem_new(v->line_most + 2, 1);
    v->kept_rows = v->words < KEPT ? (uint32_t)v->words : KEPT;
    for (v->kept_mask = 1; v->kept_mask < 2 * v->kept_rows;
         v->kept_mask = 2 * v->kept_mask + 1) {
    }
    v->kept = mem_new((size_t)v->kept_mask + 1, sizeof(*v->kept));
    v->vector = mem_new((size_t)v->kept_rows * (size_t)v->dim, sizeof(float));
}

enum status wordvec_open(const char *path, struct wordvec **out)
{
    struct wordvec *v = mem_new(1, sizeof(*v));
    enum status st;

    v->fd = -1;
    st = open_file(v, path);
    st = st == ST_OK ? read_all(v) : st;
    if (st != ST_OK) {
        wordvec_close(v);
        return st;
    }
    (void)posix_fadvise(v->fd, 0, 0, POSIX_FADV_RANDOM);
    take_room(v);
    *out = v;
    return ST_OK;
}

void wordvec_close(struct wordvec *v)
{
    if (v == NULL) {
        return;
    }
    if (v->fd >= 0) {
        close(v->fd);
    }
    mem_free(v->slot);
    mem_free(v->line);
    mem_free(v->kept);
    mem_free(v->vector);
    mem_free(v);
}

uint64_t wordvec_words(const struct wordvec *v)
{
    return v->words;
}

int wordvec_dim(const struct wordvec *v)
{
    return v->dim;
}

struct hash128 wordvec_digest(const struct wordvec *v)
{
    return v->digest;
}

/* ---- finding ---- */

static struct kept *kept_slot(const struct wordvec *v, struct hash128 word)
{
    uint64_t i = word.lo & v->kept_mask;

    while (v->kept[i].row != 0 && !hash_equal(v->kept[i].word, word)) {
        i = (i + 1) & v->kept_mask;
    }
    return &v->kept[i];
}

/* A row for one more word; when all are taken they are all given up, since whatever is
 * wanted again can be read again. */
static float *keep(struct wordvec *v, struct hash128 word)
{
    if (v->kept_count == v->kept_rows) {
        memset(v->kept, 0, ((size_t)v->kept_mask + 1) * sizeof(*v->kept));
        v->kept_count = 0;
    }
    *kept_slot(v, word) = (struct kept){word, ++v->kept_count};
    return v->vector + (size_t)(v->kept_count - 1) * (size_t)v->dim;
}

/* ST_NOTFOUND: another word stands there, with the same upper bits of its hash. */
static enum status read_line(struct wordvec *v, uint64_t at, struct bytes word,
                             struct bytes *line)
{
    char why[WORDVEC_WHY_MAX];

    const ssize_t n = read_at(v, v->line, v->line_most + 1, at);
    if (n < 0) {
        return failed(v, "read");
    }
    TRY(check_same(v));
    char *end = memchr(v->line, '\n', (size_t)n);
    if (end == NULL) {
        return changed(v);
    }
    *end = '\0';
    *line = bytes_of(v->line, (size_t)(end - v->line));
    if (!wordvec_line_check(*line, v->dim, why)) {
        return changed(v);
    }
    return bytes_equal(wordvec_line_word(*line), word) ? ST_OK : ST_NOTFOUND;
}

enum status wordvec_find(struct wordvec *v, struct bytes word, const float **out)
{
    const struct hash128 key = hash_128(word);
    const uint64_t hash = hash_64(word);
    const struct kept *known = kept_slot(v, key);
    struct bytes line;

    if (known->row != 0) {
        *out = v->vector + (size_t)(known->row - 1) * (size_t)v->dim;
        return ST_OK;
    }
    for (uint64_t i = hash & v->slot_mask; v->slot[i] != 0;
         i = (i + 1) & v->slot_mask) {
        if ((v->slot[i] & ~at_mask) != tag_of(hash)) {
            continue;
        }
        const enum status st = read_line(v, v->slot[i] & at_mask, word, &line);
        if (st == ST_NOTFOUND) {
            continue;
        }
        TRY(st);
        float *row = keep(v, key);
        wordvec_line_numbers(line, row, v->dim);
        *out = row;
        return ST_OK;
    }
    return ST_NOTFOUND;
}
