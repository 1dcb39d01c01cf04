#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

static char *read_goal(const char *name)
{
    const char *source = getenv("MINOS_SOURCE");
    char path[512];
    char *text = NULL;
    size_t len = 0;

    (void)snprintf(path, sizeof(path), "%s/judge/goals/%s",
                   source != NULL ? source : ".", name);
    assert_int_equal(file_read(path, 65536, &text, &len), ST_OK);
    return text;
}

static void the_rules_of_the_crypt_are_as_they_were_frozen(void **state)
{
    // Written before anything was measured (judge/goals/README.md). A new digest here
    // means that every learning result on the crypt must be taken again.
    static const char *const frozen[][2] = {
        {"combat.goal", "5812293cabfc886ad4ff70688f126771"},
        {"defaultgoal.goal", "410e159eb7ed7fe52af2992e42f263a4"},
        {"exploration.goal", "b4977c9fabb34a90fa36ef8be07f6d3a"},
        {"gold.goal", "d60fb0b06cb3385148926289b3f63681"},
        {"lore.goal", "88f2d75558216e229cc3c8bf920935ef"},
        {"stairs.goal", "5b76734376f56b4e6e007ca9375635ff"},
        {"treasure.goal", "3cd2f674965f8aebde8e5b48b46c3771"},
        {"zeroknowledge.goal", "bb0f695f6713e54f2cea805b4782cc4f"},
        {"combat.crypt.rules", "9746d171cbe7d45ca858830e8cef2680"},
        {"defaultgoal.crypt.rules", "e42aeb6eab3cd42fdef7bae5d78843e0"},
        {"exploration.crypt.rules", "273d317d65a0afa5570bcbb72325ecf8"},
        {"gold.crypt.rules", "55316370815bc314a233e22079dc1794"},
        {"lore.crypt.rules", "eda4258e9d5f95d7a3143c5fb7fbff70"},
        {"stairs.crypt.rules", "3df7cce28fe20fbc6ea0d394becd1025"},
        {"treasure.crypt.rules", "b2245fab97475e4a955a848ac941b025"},
        {"zeroknowledge.crypt.rules", "1ab29d00c66a4a63b2f0f58d7884745a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(frozen) / sizeof(frozen[0]); i++) {
        char hex[33];
        char *text = read_goal(frozen[i][0]);
        hash_hex(hash_128(bytes_text(text)), hex);
        if (strcmp(hex, frozen[i][1]) != 0) {
            print_message("%s has digest %s\n", frozen[i][0], hex);
        }
        assert_string_equal(hex, frozen[i][1]);
        mem_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_of_the_crypt_are_as_they_were_frozen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
