#include "judge/judge.h"

/* minos-judge: the built-in backends. A judge of one's own passes its own. */
int main(int argc, char **argv)
{
    return judge_main(NULL, argc, argv);
}
