#include <string.h>

#include "common/base/file.h"
#include "judge/backends/llm/show_prompt.h"
#include "judge/check/check_main.h"
#include "judge/judge.h"

/* minos-judge: the built-in backends, or a word of its own. A judge of one's own passes
 * its backend. */
int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    return file_end_stdout(
        strcmp(word, "prompt") == 0        ? show_prompt_main(argc - 1, argv + 1)
        : strcmp(word, "judge-check") == 0 ? check_main(argc - 1, argv + 1)
                                           : judge_main(NULL, argc, argv));
}
