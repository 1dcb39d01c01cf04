#ifndef COMMON_BASE_CHECK_H
#define COMMON_BASE_CHECK_H
/* Our own mistakes: on in every build, prints file, line and condition, and aborts.
 * Never for bytes from outside. */

_Noreturn void check_failed(const char *file, int line, const char *cond);

#define CHECK(cond)                                                                    \
    do {                                                                               \
        if (!(cond)) {                                                                 \
            check_failed(__FILE__, __LINE__, #cond);                                   \
        }                                                                              \
    } while (0)

#endif
