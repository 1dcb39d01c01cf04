/* The networks' speed, whole: bench_nn [seconds]. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/nn/nn_bench.h"

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 1.0;
    const char *const nets[] = {"cells", "tiles"};
    const int actions[] = {20, 28}, N[] = {8, 32, 64};
    struct metrics_row row = {0};

    log_open("bench", -1, LOG_INFO_);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            metrics_begin(&row);
            metrics_text(&row, "bench", "infer");
            if (nn_bench_infer(nets[i], actions[i], N[j], seconds, &row) != ST_OK) {
                return 1;
            }
            puts(metrics_end(&row));
        }
        metrics_begin(&row);
        metrics_text(&row, "bench", "update");
        if (nn_bench_update(nets[i], actions[i], 32, 32, seconds, &row) != ST_OK) {
            return 1;
        }
        puts(metrics_end(&row));
    }
    metrics_release(&row);
    return 0;
}
