/* What the I/O thread costs: CPU per segment taken, stored, acknowledged and evicted, and
 * per caption asked, answered, recorded and handed to training. One actor and one judge
 * on the in-memory bus, whose own cost is subtracted by timing io_step alone.
 * bench_intake [polls]. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "tests/support/rank_twin.h"

enum { T = 32, STATE = 128, BATCH = 16 };

static struct twin t;
static struct twin_actor a;
static struct twin_judge j;
static uint64_t io_ns;

static void poll_timed(void)
{
    const uint64_t start = clock_thread_cpu_ns();

    twin_poll(&t);
    io_ns += clock_thread_cpu_ns() - start;
}

/* A segment of the size that crypt sends, with `distinct` captions of its own. */
static void send_segment(uint64_t seq, int distinct)
{
    static uint8_t chars[T * SEGMENT_CELLS], colors[T * SEGMENT_CELLS];
    static int32_t stats[T * SEGMENT_STATS];
    static uint16_t caption[T], count[T];
    static uint8_t action[T], flags[T];
    static float logp[T], value[T], reward[T], state[STATE];
    static char text[T][48];
    struct segment_text texts[T];
    struct segment_fill f = {
        .header = {FRAME_SEGMENT, TWIN_RUN, a.number, a.incarnation, seq},
        .version = {1, 1},
        .T = T,
        .state_floats = STATE,
        .texts = T,
        .chars = chars,
        .colors = colors,
        .stats = stats,
        .caption = caption,
        .count = count,
        .action = action,
        .logp = logp,
        .value = value,
        .reward = reward,
        .flags = flags,
        .state = state,
        .text = texts};

    for (int i = 0; i < T; i++) {
        const unsigned long n =
            i < distinct ? (unsigned long)seq * T + (unsigned long)i : (unsigned long)i;
        snprintf(text[i], sizeof(text[i]), "You hear the number %lu.", n);
        texts[i] = (struct segment_text){bytes_text(text[i]), -1, -1, 0};
        caption[i] = (uint16_t)i;
        count[i] = 1;
    }
    if (bus_send(a.socket, NULL, codec_encode_segment(a.codec, &f)) != ST_OK) {
        abort();
    }
}

static void run(int polls, int distinct)
{
    const uint64_t from = a.next;
    const int asked = j.questions;
    io_ns = 0;
    for (int i = 0; i < polls; i++) {
        for (int b = 0; b < BATCH; b++) {
            send_segment(a.next + (uint64_t)b, distinct);
        }
        clock_turn_ms(&t.clock, 5);
        poll_timed();
        actor_poll(&a);
        judge_poll(&j);
        for (int q = asked; q < j.questions; q++) {
            judge_answer(&j, j.id[q], VERDICT_LABEL, 1);
        }
        j.questions = asked;
        twin_train(&t, 0, BATCH);
        t.rank[0].labels = 0;
    }
    const double n = (double)(a.next - from);
    printf("{\"bench\": \"intake\", \"segments\": %.0f, \"new_captions\": %d, "
           "\"us_per_segment\": %.1f}\n",
           n, distinct, (double)io_ns / n / 1e3);
}

int main(int argc, char **argv)
{
    const int polls = argc > 1 ? atoi(argv[1]) : 200;

    twin_init_shape(&t, T, STATE);
    actor_init(&a, &t, 1, "host0");
    a.environments = 2 * BATCH;
    judge_init(&j, &t, 2);
    j.credits = 1024;
    actor_join(&a, -1);
    run(polls, 0);
    run(polls, 0);
    judge_hello(&j);
    twin_poll(&t);
    judge_poll(&j);
    run(polls, 0);
    run(polls, 1);
    actor_release(&a);
    judge_release(&j);
    twin_release(&t);
    return 0;
}
