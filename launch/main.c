#include "launch/commands.h"

/* minos: the one command in front of the role programs. */
int main(int argc, char **argv)
{
    return commands_main(argc, argv);
}
