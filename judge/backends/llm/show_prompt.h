#ifndef JUDGE_BACKENDS_LLM_SHOW_PROMPT_H
#define JUDGE_BACKENDS_LLM_SHOW_PROMPT_H
/* `minos-judge prompt`: prints exactly what a language model is sent. Main thread. */

/* argv[0] is "prompt". Returns the exit code. */
int show_prompt_main(int argc, char **argv);

#endif
