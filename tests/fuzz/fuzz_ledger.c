/* Lines of exported ledgers, from anywhere. The input is one line, in a block of exactly
 * its size; what is taken must come back from what is written of it.
 *
 * With libFuzzer:  cmake --build build --target fuzz_ledger_libfuzzer
 *                  build/tests/fuzz_ledger_libfuzzer NEW tests/fuzz/corpus/ledger
 * ctest runs the committed corpus through the same function (fuzz_main.c). */

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "learner/store/ledger_line.h"
#include "tests/fuzz/fuzz_target.h"

/* Written, read and written again it is the same. */
static void round_trip(struct ledger_line *room, const struct ledger_entry *e)
{
    struct text_buf once = {0}, twice = {0};
    struct ledger_entry again;

    ledger_line_write(e, &once);
    CHECK(ledger_line_read(room, bytes_of(once.data, once.len - 1), &again) == ST_OK);
    ledger_line_write(&again, &twice);
    CHECK(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    text_buf_release(&once);
    text_buf_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ledger_line *room;
    struct ledger_entry e;
    struct ledger_head head;

    if (room == NULL) {
        room = ledger_line_new();
    }
    char *line = malloc(size + (size == 0));
    memcpy(line, data, size);
    if (ledger_line_read(room, bytes_of(line, size), &e) == ST_OK) {
        CHECK(e.captions <= ITEM_CAPTIONS_MAX && e.raw.len <= LEDGER_RAW_MAX);
        CHECK(!e.trains || e.captions > 0);
        round_trip(room, &e);
    } else {
        CHECK(ledger_line_why(room)[0] != '\0');
    }
    const enum status st = ledger_line_read_head(room, bytes_of(line, size), &head);
    CHECK(st == ST_OK || st == ST_CORRUPT || st == ST_VERSION);
    free(line);
    return 0;
}
