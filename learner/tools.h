#ifndef LEARNER_TOOLS_H
#define LEARNER_TOOLS_H
/* `minos-learner bench NAME [--json] [--NAME=VALUE ...]`: each returns an exit code. */

int tools_bench(int argc, char **argv);

#endif
