#ifndef LEARNER_LEARNER_BENCH_H
#define LEARNER_LEARNER_BENCH_H
/* `minos-learner bench NAME [--json] [--NAME=VALUE ...]`: each returns an exit code. */

int learner_bench(int argc, char **argv);

#endif
