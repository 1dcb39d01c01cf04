#ifndef JUDGE_BACKENDS_LLM_PROMPT_FILE_H
#define JUDGE_BACKENDS_LLM_PROMPT_FILE_H
/* Reads a .prompt file, as judge/prompts/README.md says, into sections whose slots are
 * known to be right, and an .about file. One thread. */

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/base/status.h"

enum prompt_section {
    SECTION_SYSTEM,
    SECTION_USER,
    SECTION_TEXT,
    SECTION_SCHEMA,
    SECTION_CHOICE,
    SECTION_REMINDER,
    SECTIONS
};

enum prompt_slot {
    SLOT_ITEM,
    SLOT_GOAL,
    SLOT_PRINCIPLES,
    SLOT_ENVIRONMENT,
    SLOT_FORMAT,
    SLOTS,
    SLOT_NONE = SLOTS // the end of the text
};

enum { PROMPT_FILE_MAX = 1 << 16 };

struct prompt_file {
    const char *section[SECTIONS]; // into data; NULL: not there; never empty
    int line[SECTIONS];            // of the section's first line of text
    char *data;
};

/* Zeroed or released before. ST_INVALID, ST_FULL: logged with path and line;
 * ST_NOTFOUND: there is no such file, logged too. */
MUST_USE enum status prompt_file_read(const char *path, struct prompt_file *out);
void prompt_file_release(struct prompt_file *f);

/* A text without its first lines that begin with '#' and without blank lines at both
 * ends: into *out, to be freed with mem_free(). Statuses as above. */
MUST_USE enum status prompt_file_read_about(const char *path, char **out);

/* What JSON can carry. */
bool prompt_file_is_utf8(struct bytes text);

/* Cuts `*at` behind its next slot: *plain is what stands before it. SLOT_NONE: no slot is
 * left, *plain is the rest. `*at` is a section of a file that was read. */
enum prompt_slot prompt_file_next_slot(const char **at, struct bytes *plain);

#endif
