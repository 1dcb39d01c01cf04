#ifndef LEARNER_LABEL_BENCH_H
#define LEARNER_LABEL_BENCH_H
/* `minos-learner bench label-budget`: what labels would have told of a recorded run. */

int label_bench_main(int argc, char **argv); // an exit code

#endif
