#ifndef LAUNCH_COMMANDS_H
#define LAUNCH_COMMANDS_H
/* The words behind `minos`. Each takes its own command line, argv[0] being "minos WORD",
 * and returns an exit code. Main thread. */

/* Dispatches argv[1]; an unknown word is an error that names the nearest, exit 2. */
int commands_main(int argc, char **argv);

int train_main(int argc, char **argv);  // launch/train.c
int status_main(int argc, char **argv); // launch/status.c
int stopping_main(int argc, char **argv);

#endif
