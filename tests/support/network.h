#ifndef TESTS_SUPPORT_NETWORK_H
#define TESTS_SUPPORT_NETWORK_H
/* The facts that hold for every policy network, as one cmocka group. */

#include <stddef.h>

struct network_plan {
    const char *net;
    int actions, T, B;
    size_t params; // params_count() that the design names
};

int network_tests(const struct network_plan *plan);

#endif
