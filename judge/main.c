#include <string.h>

#include "judge/backends/llm/show_prompt.h"
#include "judge/check/check_main.h"
#include "judge/judge.h"

/* minos-judge: the built-in backends, or a word of its own. A judge of one's own passes
 * its backend. */
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "prompt") == 0) {
        return show_prompt_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "judge-check") == 0) {
        return check_main(argc - 1, argv + 1);
    }
    return judge_main(NULL, argc, argv);
}
