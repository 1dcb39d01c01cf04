#include "common/base/share.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/text.h"

void share_program_dir(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);

    CHECK(n > 0 && (size_t)n < size - 1);
    out[n] = 0;
    char *slash = strrchr(out, '/');
    CHECK(slash != NULL);
    *slash = 0;
}

static bool beside(const char *folder, const char *relative, char *out, size_t size)
{
    char dir[512];

    share_program_dir(dir, sizeof(dir));
    return text_format(out, size, "%s/../%s/minos/%s", dir, folder, relative) &&
           access(out, R_OK) == 0;
}

bool share_path(const char *relative, char *out, size_t size)
{
    return beside("share", relative, out, size);
}

bool share_lib_path(const char *relative, char *out, size_t size)
{
    return beside("lib", relative, out, size);
}

static int by_letters(const void *a, const void *b)
{
    return strcmp(a, b);
}

enum { NAMES_MAX = 128, NAME_SIZE = 64 };

/* Without the ending, in the order of letters. */
static int list_names(const char *folder, const char *ending,
                      char names[NAMES_MAX][NAME_SIZE])
{
    const size_t tail = strlen(ending);
    const struct dirent *entry;
    char path[1024];
    int count = 0;

    DIR *dir = share_path(folder, path, sizeof(path)) ? opendir(path) : NULL;
    while (dir != NULL && count < NAMES_MAX && (entry = readdir(dir)) != NULL) {
        const size_t len = strlen(entry->d_name);
        if (len <= tail || len - tail >= NAME_SIZE ||
            strcmp(entry->d_name + len - tail, ending) != 0) {
            continue;
        }
        memcpy(names[count], entry->d_name, len - tail);
        names[count++][len - tail] = '\0';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    qsort(names, (size_t)count, sizeof(names[0]), by_letters);
    return count;
}

void share_suggest(const char *folder, const char *ending, const char *name, char *out,
                   size_t size)
{
    char names[NAMES_MAX][NAME_SIZE];
    const char *list[NAMES_MAX];
    const int count = list_names(folder, ending, names);

    for (int i = 0; i < count; i++) {
        list[i] = names[i];
    }
    const char *nearest = text_nearest(name, list, count);
    if (nearest != NULL) {
        text_format(out, size, "did you mean %s?", nearest);
        return;
    }
    text_format(out, size, "there %s", count > 0 ? "are" : "is none");
    for (int i = 0; i < count; i++) {
        const size_t len = strlen(out);
        text_format(out + len, size - len, "%s %s", i > 0 ? "," : "", list[i]);
    }
}
