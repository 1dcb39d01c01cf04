/* The network `cells`: what holds for every network, with its own count. */

#include "tests/support/network.h"

int main(void)
{
    // 194,613 of layers (21 rows of previous actions, 20 logits) and the n-gram table
    const struct network_plan plan = {
        .net = "cells", .actions = 20, .T = 4, .B = 3, .params = 194613 + 8192 * 32};
    return network_tests(&plan);
}
