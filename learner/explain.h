#ifndef LEARNER_EXPLAIN_H
#define LEARNER_EXPLAIN_H
/* `minos explain`: what made a reward, out of a run's journal, segments and ledger. Reads
 * alone, of a run that is over or beside its learner. */

/* argv[0] is the word. Exit code: 1 where there is nothing of that name, or it cannot be
 * read; 2 where the command line is wrong. */
int explain_main(int argc, char **argv);

#endif
