#include "learner/intake/post.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/text.h"

enum { QUIET_FIRST_MS = 1000, QUIET_MOST_MS = 60000 };

bool post_send(struct post *p, const struct bus_peer *to, struct bytes frame)
{
    return bus_send(p->socket, to, frame) == ST_OK;
}

bool post_bare(struct post *p, const struct bus_peer *to, enum frame_kind kind,
               uint32_t number, uint32_t incarnation)
{
    const struct frame_header h = {.kind = (uint8_t)kind,
                                   .run = p->run,
                                   .actor = number,
                                   .incarnation = incarnation};

    return post_send(p, to, codec_encode_bare(p->codec, &h));
}

void post_refuse(struct post *p, const struct bus_peer *to, bool final, const char *fmt,
                 ...)
{
    const struct frame_header h = {.kind = FRAME_REFUSE, .run = p->run};
    char reason[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    const struct msg_refuse m = {.reason = bytes_text(reason), .final = final};
    post_send(p, to, codec_encode_refuse(p->codec, &h, &m));
    LOG_WARN("INTAKE-REFUSED", "refused a peer%s: %s", final ? " for good" : "",
             reason);
}

/* Whether a line may be written now; *held: how many were not since the last one. */
static bool may_tell(struct post *p, struct post_quiet *q, uint64_t *held)
{
    const uint64_t now = post_now_ms(p), since = now - q->told_ms;
    uint64_t others;

    if ((q->wait_ms > 0 && since < q->wait_ms) ||
        !log_limit_pass(&p->limit, clock_ns(p->clock), &others)) {
        q->held++;
        return false;
    }
    const bool again = q->wait_ms > 0 && since < 2 * (uint64_t)QUIET_MOST_MS;
    q->wait_ms = !again                           ? QUIET_FIRST_MS
                 : 2 * q->wait_ms < QUIET_MOST_MS ? 2 * q->wait_ms
                                                  : QUIET_MOST_MS;
    q->told_ms = now;
    *held = q->held;
    q->held = 0;
    return true;
}

void post_bad_of(struct post *p, const char *who, enum io_bad reason, const char *why)
{
    char more[64] = "";
    uint64_t held = 0;

    p->bad[reason]++;
    if (!may_tell(p, &p->quiet[reason], &held)) {
        return;
    }
    if (held > 0) {
        (void)text_format(more, sizeof(more), "; %" PRIu64 " more since the last line",
                          held);
    }
    LOG_WARN("INTAKE-BAD", "dropped a frame from %s: bad %s%s%s%s", who,
             io_bad_name(reason), why != NULL ? ", " : "", why != NULL ? why : "",
             more);
}

void post_bad(struct post *p, const struct bus_peer *from, enum io_bad reason,
              const char *why)
{
    // A peer's id is its own choice: only what prints is shown.
    char name[BUS_PEER_MAX + 3] = "'";

    for (int i = 0; i < from->len; i++) {
        name[1 + i] = from->id[i] > ' ' && from->id[i] < 0x7f ? (char)from->id[i] : '?';
    }
    name[1 + from->len] = '\'';
    name[2 + from->len] = '\0';
    post_bad_of(p, name, reason, why);
}
