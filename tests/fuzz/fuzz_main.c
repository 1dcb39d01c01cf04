/* Runs a fuzz target over every file of the directories given, in a plain build: what
 * once broke it, or brought it further, stays tested. Fails when there is no file. */

#include <dirent.h>
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/fuzz/fuzz_target.h"

enum { INPUT_MOST = 1 << 24 };

static int run_file(const char *path)
{
    char *data;
    size_t len;

    if (file_read(path, INPUT_MOST, &data, &len) != ST_OK) {
        return 0;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)data, len);
    mem_free(data);
    return 1;
}

int main(int argc, char **argv)
{
    int files = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        const struct dirent *entry;
        if (dir == NULL) {
            fprintf(stderr, "cannot open directory %s\n", argv[i]);
            return 1;
        }
        while ((entry = readdir(dir)) != NULL) {
            char path[PATH_MAX_];
            if (entry->d_name[0] != '.' &&
                text_format(path, sizeof(path), "%s/%s", argv[i], entry->d_name)) {
                files += run_file(path);
            }
        }
        closedir(dir);
    }
    printf("%d files\n", files);
    return files > 0 ? 0 : 1;
}
