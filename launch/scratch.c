#include "launch/scratch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"

/* In memory, as MPI's own choice is: it maps files of some MB there. */
bool scratch_path(const char *run_dir, char path[SCRATCH_PATH_MAX])
{
    struct stat st;

    return stat(run_dir, &st) == 0 &&
           text_format(path, SCRATCH_PATH_MAX, "/dev/shm/minos-%u-%llx-%llx",
                       (unsigned)geteuid(), (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino);
}

/* Never what somebody else put there under our name. */
static bool is_ours(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

bool scratch_remove(const char *run_dir)
{
    char path[SCRATCH_PATH_MAX];

    return scratch_path(run_dir, path) &&
           (!is_ours(path) || file_remove_tree(path) == ST_OK);
}

bool scratch_make(const char *run_dir, char path[SCRATCH_PATH_MAX])
{
    return scratch_remove(run_dir) && scratch_path(run_dir, path) &&
           mkdir(path, 0700) == 0;
}
