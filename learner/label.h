#ifndef LEARNER_LABEL_H
#define LEARNER_LABEL_H
/* Labels the captions that a run's store holds, offline: the I/O thread's half of a learner
 * with its judges and its ledger, without actors and training. What comes out is a ledger
 * that --labels-from takes. One thread. */

/* `minos-learner label --run-dir=OUT --captions=DIR [--NAME=VALUE ...]`, argv[0] being the
 * word. Ends when every caption has a verdict, a budget is spent, nothing has come for
 * --idle-seconds, or a stop is asked; the same again goes on. Exit code. */
int label_main(int argc, char **argv);

#endif
