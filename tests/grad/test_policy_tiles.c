/* The network `tiles`: what holds for every network, with the reference's count. */

#include "tests/support/network.h"

int main(void)
{
    const struct network_plan plan = {
        .net = "tiles", .actions = 28, .T = 2, .B = 2, .params = 2798205};
    return network_tests(&plan);
}
