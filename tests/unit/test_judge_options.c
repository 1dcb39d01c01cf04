/* What a judge may be told is what a learner takes from it. */

#include "tests/support/harness.h"

#include "common/wire/codec.h"
#include "judge/options.h"

static void the_longest_deadline_is_one_that_a_learner_takes(void **state)
{
    const struct frame_header h = {.kind = FRAME_JUDGE_HELLO};
    const struct option *row = option_find(judge_option_table, "judge-deadline");
    struct codec *codec = codec_new();
    struct msg_judge_hello back, hello = {.name = bytes_text("mine"),
                                          .model = bytes_text(""),
                                          .can_rate = true,
                                          .deadline_ms = (uint32_t)(row->most * 1000),
                                          .credits = 1,
                                          .host = bytes_text("here")};

    (void)state;
    const struct bytes frame = codec_encode_judge_hello(codec, &h, &hello);
    assert_int_equal(codec_decode_judge_hello(codec, frame, &back), ST_OK);
    assert_int_equal(back.deadline_ms, hello.deadline_ms);
    codec_free(codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_deadline_is_one_that_a_learner_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
