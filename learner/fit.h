#ifndef LEARNER_FIT_H
#define LEARNER_FIT_H
/* `minos fit`: makes of a ledger the ranking model that --reward=motif pays by. */

/* argv[0] is the word. Exit code. */
int fit_main(int argc, char **argv);

#endif
