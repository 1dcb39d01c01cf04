#ifndef JUDGE_CHECK_CHECK_MAIN_H
#define JUDGE_CHECK_CHECK_MAIN_H
/* `minos judge-check`: plays the learner to a judge and reports how it keeps the rules of
 * schemas/README.md. Main thread. */

/* Exit code: 0 nothing failed, 1 something did, 2 the command line is wrong. */
int check_main(int argc, char **argv);

#endif
