#include "common/base/share.h"

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
