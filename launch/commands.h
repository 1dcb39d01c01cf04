#ifndef LAUNCH_COMMANDS_H
#define LAUNCH_COMMANDS_H
/* The words behind `minos`. Each takes its own command line, argv[0] being "minos WORD",
 * and returns an exit code. Main thread. */

/* Dispatches argv[1]; an unknown word is an error that names the nearest, exit 2. */
int commands_main(int argc, char **argv);

int starting_main(int argc, char **argv);  // train
int labelling_main(int argc, char **argv); // label
int reporting_main(int argc, char **argv); // status
int stopping_main(int argc, char **argv);  // stop

#endif
