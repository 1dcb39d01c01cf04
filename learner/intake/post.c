#include "learner/intake/post.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

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

void post_bad(struct post *p, const struct bus_peer *from, enum io_bad reason,
              const char *why)
{
    uint64_t held = 0;

    p->bad[reason]++;
    if (!log_limit_pass(&p->limit, clock_ns(p->clock), &held)) {
        return;
    }
    // A peer's id is its own choice: only what prints is shown.
    char name[BUS_PEER_MAX + 1];
    for (int i = 0; i < from->len; i++) {
        name[i] = from->id[i] > ' ' && from->id[i] < 0x7f ? (char)from->id[i] : '?';
    }
    name[from->len] = '\0';
    LOG_WARN("INTAKE-BAD",
             "dropped a frame from '%s': bad %s%s%s, %" PRIu64 " more not shown", name,
             io_bad_name(reason), why != NULL ? ", " : "", why != NULL ? why : "",
             held);
}
