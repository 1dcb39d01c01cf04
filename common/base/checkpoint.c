#include "common/base/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { FORMAT = 1, KEEP = 2, FOLDERS_MAX = 1024 };

static const size_t manifest_most = 4u << 20;
static const size_t file_most = (size_t)4 << 30;
static const char prefix[] = "checkpoint-";

/* ---- the manifest as JSON; 64-bit numbers as hex text, since JSON has none ---- */

static json_t *hex_json(uint64_t v)
{
    char text[20];

    (void)text_format(text, sizeof(text), "%016" PRIx64, v);
    return json_string(text);
}

static bool hex_read(const json_t *o, const char *key, uint64_t *out)
{
    const char *text = json_string_value(json_object_get(o, key));
    char *end = NULL;

    if (text == NULL || strlen(text) != 16) {
        return false;
    }
    *out = strtoull(text, &end, 16);
    return *end == '\0';
}

static bool int_read(const json_t *o, const char *key, uint64_t *out)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static bool text_read(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text != NULL && text_format(out, size, "%s", text);
}

static json_t *manifest_json(const struct checkpoint_manifest *m, json_t *files)
{
    json_t *cursors = json_array();

    for (uint32_t r = 0; r < m->ranks; r++) {
        json_array_append_new(cursors, json_integer((json_int_t)m->cursor[r]));
    }
    return json_pack("{s:i, s:o, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:s, s:s, s:i, "
                     "s:i, s:i, s:o, s:o}",
                     "format", FORMAT, "run", hex_json(m->run), "update",
                     (json_int_t)m->update, "env_steps", (json_int_t)m->env_steps,
                     "ranks", (json_int_t)m->ranks, "start", (json_int_t)m->start,
                     "cursors", cursors, "ledger_serial", (json_int_t)m->ledger_serial,
                     "policy_digest", hex_json(m->policy_digest), "net", m->net, "task",
                     m->task, "actions", m->actions, "segment_steps", m->segment_steps,
                     "value_heads", m->value_heads, "spec_digest",
                     hex_json(m->spec_digest), "files", files);
}

/* NULL, or what is wrong. */
static const char *manifest_read(const json_t *o, struct checkpoint_manifest *m)
{
    uint64_t format, ranks, start, actions, steps, heads = 1;
    const json_t *cursors = json_object_get(o, "cursors");

    if (!int_read(o, "format", &format) || format != FORMAT) {
        return "its manifest has another format";
    }
    if (!hex_read(o, "run", &m->run) || !int_read(o, "update", &m->update) ||
        !int_read(o, "env_steps", &m->env_steps) || !int_read(o, "ranks", &ranks) ||
        !int_read(o, "start", &start) ||
        !int_read(o, "ledger_serial", &m->ledger_serial) ||
        !hex_read(o, "policy_digest", &m->policy_digest) ||
        !text_read(o, "net", m->net, sizeof(m->net)) ||
        !text_read(o, "task", m->task, sizeof(m->task)) ||
        !int_read(o, "actions", &actions) || !int_read(o, "segment_steps", &steps) ||
        !hex_read(o, "spec_digest", &m->spec_digest) ||
        (json_object_get(o, "value_heads") != NULL &&
         !int_read(o, "value_heads", &heads))) {
        return "its manifest lacks a field";
    }
    if (ranks < 1 || ranks > CHECKPOINT_RANKS_MAX ||
        json_array_size(cursors) != (size_t)ranks) {
        return "its manifest names no or too many ranks";
    }
    for (size_t r = 0; r < ranks; r++) {
        m->cursor[r] = (uint64_t)json_integer_value(json_array_get(cursors, r));
    }
    m->ranks = (uint32_t)ranks;
    m->start = (uint32_t)start;
    m->actions = (int)actions;
    m->segment_steps = (int)steps;
    m->value_heads = (int)heads;
    return NULL;
}

static json_t *manifest_load(const char *dir)
{
    char path[PATH_MAX_], *data = NULL;
    size_t len = 0;
    json_t *o = NULL;

    if (text_format(path, sizeof(path), "%s/manifest.json", dir) &&
        file_read(path, manifest_most, &data, &len) == ST_OK) {
        o = json_loadb(data, len, 0, NULL);
    }
    mem_free(data);
    return o;
}

/* The file whole, held to what the manifest says of it. *fault says what is wrong, NULL
 * for nothing. */
static enum status file_load(const char *dir, const char *name, const json_t *manifest,
                             char **data, size_t *len, const char **fault)
{
    const json_t *entry = json_object_get(json_object_get(manifest, "files"), name);
    char path[PATH_MAX_];
    uint64_t bytes = 0, digest = 0;

    *fault = "is not in the manifest";
    if (!int_read(entry, "bytes", &bytes) || !hex_read(entry, "xxh3", &digest) ||
        !text_format(path, sizeof(path), "%s/%s", dir, name)) {
        return ST_CORRUPT;
    }
    *fault = "cannot be read";
    if (file_read(path, file_most, data, len) != ST_OK) {
        return ST_CORRUPT;
    }
    *fault = *len != bytes ? "has another length than the manifest says"
                           : "has another digest than the manifest says";
    if (*len != bytes || hash_64(bytes_of(*data, *len)) != digest) {
        mem_free(*data);
        *data = NULL;
        return ST_CORRUPT;
    }
    *fault = NULL;
    return ST_OK;
}

/* Reads and verifies a folder with all its files. `fault` gets a sentence. */
static bool folder_valid(const char *dir, struct checkpoint_manifest *m, char *fault,
                         size_t fault_size)
{
    json_t *o = manifest_load(dir);
    const char *wrong = o == NULL ? "its manifest is missing or not JSON" : NULL;
    const char *name;
    json_t *entry;

    wrong = wrong == NULL ? manifest_read(o, m) : wrong;
    (void)text_format(fault, fault_size, "%s", wrong == NULL ? "" : wrong);
    if (wrong == NULL) {
        json_object_foreach(json_object_get(o, "files"), name, entry)
        {
            char *data = NULL;
            size_t len = 0;
            if (file_load(dir, name, o, &data, &len, &wrong) != ST_OK) {
                (void)text_format(fault, fault_size, "its file %s %s", name, wrong);
                json_decref(o);
                return false;
            }
            mem_free(data);
        }
    }
    json_decref(o);
    return wrong == NULL;
}

/* ---- the folders ---- */

struct folders {
    uint64_t update[FOLDERS_MAX]; // descending
    int count;
};

static int newer_first(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

static void folder_path(const char *run_dir, uint64_t update, const char *suffix,
                        char *out, size_t size)
{
    (void)text_format(out, size, "%s/%s%" PRIu64 "%s", run_dir, prefix, update, suffix);
}

static void folders_list(const char *run_dir, bool clean, struct folders *out)
{
    char path[PATH_MAX_];
    DIR *d = opendir(run_dir);

    out->count = 0;
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        const char *number = e->d_name + sizeof(prefix) - 1;
        char *end = NULL;
        if (strncmp(e->d_name, prefix, sizeof(prefix) - 1) != 0 || *number < '0' ||
            *number > '9') {
            continue;
        }
        const uint64_t update = strtoull(number, &end, 10);
        if (*end == '\0' && out->count < FOLDERS_MAX) {
            out->update[out->count++] = update;
        } else if (clean && (strcmp(end, ".tmp") == 0 || strcmp(end, ".old") == 0)) {
            (void)text_format(path, sizeof(path), "%s/%s", run_dir, e->d_name);
            if (file_remove_tree(path) != ST_OK) {
                continue; // it told so; an unfinished folder is never read
            }
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    qsort(out->update, (size_t)out->count, sizeof(*out->update), newer_first);
}

/* Aside, or it would be the newest again after the next one is written. */
static void set_aside(const char *run_dir, uint64_t update)
{
    char path[PATH_MAX_], aside[PATH_MAX_];

    folder_path(run_dir, update, "", path, sizeof(path));
    folder_path(run_dir, update, ".damaged", aside, sizeof(aside));
    if (file_remove_tree(aside) != ST_OK || rename(path, aside) != 0) {
        LOG_WARN("CHECKPOINT-BAD", "cannot rename %s to %s: %s", path, aside,
                 strerror(errno));
    }
}

enum status checkpoint_find(const char *run_dir, bool clean,
                            struct checkpoint_manifest *out, char *dir, size_t dir_size)
{
    struct checkpoint_manifest m;
    struct folders f;
    char path[PATH_MAX_], fault[256];

    folders_list(run_dir, clean, &f);
    for (int i = 0; i < f.count; i++) {
        memset(&m, 0, sizeof(m));
        folder_path(run_dir, f.update[i], "", path, sizeof(path));
        if (!folder_valid(path, &m, fault, sizeof(fault))) {
            LOG_WARN("CHECKPOINT-BAD", "%s is damaged: %s", path, fault);
            continue;
        }
        if (i > 0) {
            LOG_WARN("CHECKPOINT-OLDER", "using %s, the newest that is whole", path);
        }
        for (int newer = 0; clean && newer < i; newer++) {
            set_aside(run_dir, f.update[newer]);
        }
        *out = m;
        return text_format(dir, dir_size, "%s", path) ? ST_OK : ST_INVALID;
    }
    if (f.count > 0) {
        // They stay where they are: a next start must not take the run for a new one.
        LOG_ERROR("CHECKPOINT-NONE",
                  "no checkpoint of %s is whole; restore one from a copy, or begin "
                  "another run directory",
                  run_dir);
    }
    return f.count > 0 ? ST_CORRUPT : ST_NOTFOUND;
}

enum status checkpoint_begin(const char *run_dir, uint64_t update, char *dir,
                             size_t dir_size)
{
    char path[PATH_MAX_];

    folder_path(run_dir, update, ".tmp", path, sizeof(path));
    TRY(file_remove_tree(path));
    TRY(file_make_dirs(path));
    return text_format(dir, dir_size, "%s", path) ? ST_OK : ST_INVALID;
}

enum status checkpoint_put(const char *dir, const char *name, struct bytes data)
{
    char path[PATH_MAX_];

    if (!text_format(path, sizeof(path), "%s/%s", dir, name)) {
        LOG_ERROR("CHECKPOINT-PATH", "path %.40s.../%s is too long", dir, name);
        return ST_INVALID;
    }
    return file_write_atomic(path, data);
}

/* Digests of everything that lies in dir, as read back. NULL: a file cannot be read. */
static json_t *digest_files(const char *dir)
{
    json_t *files = json_object();
    char path[PATH_MAX_], *data = NULL;
    size_t len;
    DIR *d = opendir(dir);

    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "manifest.json") == 0) {
            continue;
        }
        if (!text_format(path, sizeof(path), "%s/%s", dir, e->d_name) ||
            file_read(path, file_most, &data, &len) != ST_OK) {
            json_decref(files);
            files = NULL;
            break;
        }
        json_object_set_new(files, e->d_name,
                            json_pack("{s:I, s:o}", "bytes", (json_int_t)len, "xxh3",
                                      hex_json(hash_64(bytes_of(data, len)))));
        mem_free(data);
    }
    if (d != NULL) {
        closedir(d);
    }
    return files;
}

static enum status write_manifest(const char *dir, const struct checkpoint_manifest *m)
{
    json_t *files = digest_files(dir);
    enum status st = ST_IO;

    if (files != NULL) {
        json_t *o = manifest_json(m, files);
        char *text = o != NULL ? json_dumps(o, JSON_INDENT(1)) : NULL;
        if (text != NULL) {
            st = checkpoint_put(dir, "manifest.json", bytes_text(text));
        } else {
            LOG_ERROR("CHECKPOINT-TEXT", "task '%s' or network '%s' is not UTF-8",
                      m->task, m->net);
        }
        free(text);
        json_decref(o);
    }
    return st;
}

/* tmp takes its place. A folder of the same update (a stop right after a checkpoint)
 * gives way in one step where the file system can, else in two. */
static enum status move_into_place(const char *run_dir, const char *tmp,
                                   uint64_t update)
{
    char path[PATH_MAX_], old[PATH_MAX_];

    folder_path(run_dir, update, "", path, sizeof(path));
    folder_path(run_dir, update, ".old", old, sizeof(old));
    if (file_exists(path)) {
        if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
            TRY(file_sync_dir(run_dir));
            return file_remove_tree(tmp);
        }
        TRY(file_remove_tree(old));
        (void)rename(path, old);
    }
    if (rename(tmp, path) != 0) {
        LOG_ERROR("CHECKPOINT-RENAME", "cannot rename %s to %s: %s", tmp, path,
                  strerror(errno));
        return ST_IO;
    }
    TRY(file_sync_dir(run_dir));
    return file_remove_tree(old);
}

enum status checkpoint_finish(const char *run_dir, const char *dir,
                              const struct checkpoint_manifest *m,
                              struct checkpoint_manifest *older)
{
    struct checkpoint_manifest found = *m;
    struct folders f;
    char path[PATH_MAX_];
    int kept = 0;

    TRY(write_manifest(dir, m));
    TRY(move_into_place(run_dir, dir, m->update));
    folders_list(run_dir, false, &f);
    for (int i = 0; i < f.count; i++) {
        if (f.update[i] > m->update) {
            continue; // damaged, or it would have been gone on from
        }
        kept++;
        folder_path(run_dir, f.update[i], "", path, sizeof(path));
        if (kept > KEEP) {
            TRY(file_remove_tree(path));
        } else if (kept == KEEP) {
            json_t *o = manifest_load(path);
            if (o == NULL || manifest_read(o, &found) != NULL) {
                found = *m; // not one that could be gone back to
            }
            json_decref(o);
        }
    }
    if (older != NULL) {
        *older = found;
    }
    return ST_OK;
}

enum status checkpoint_get(const char *dir, const char *name, char **data, size_t *len)
{
    json_t *o = manifest_load(dir);
    const char *fault = "has no manifest";
    const enum status st =
        o == NULL ? ST_CORRUPT : file_load(dir, name, o, data, len, &fault);

    if (st != ST_OK) {
        LOG_ERROR("CHECKPOINT-FILE", "%s/%s %s", dir, name, fault);
    }
    json_decref(o);
    return st;
}
