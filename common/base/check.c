#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *cond)
{
    fprintf(stderr, "%s:%d: this must hold but does not: %s\n", file, line, cond);
    abort();
}
