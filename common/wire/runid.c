#include "common/wire/runid.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { FILE_MOST = 1 << 16 };

bool runid_read(const char *run_dir, uint64_t *out)
{
    static const char key[] = "\"run\": \""; // as learner/rundir.c writes it
    char path[PATH_MAX_], *text;
    size_t len;

    if (run_dir[0] == '\0' ||
        !text_format(path, sizeof(path), "%s/run.json", run_dir) ||
        !file_exists(path) || file_read(path, FILE_MOST, &text, &len) != ST_OK) {
        return false;
    }
    const char *id = strstr(text, key);
    if (id != NULL) {
        *out = strtoull(id + sizeof(key) - 1, NULL, 16);
    }
    mem_free(text);
    return id != NULL;
}
