#ifndef LEARNER_INTAKE_POST_H
#define LEARNER_INTAKE_POST_H
/* The rank's socket as its modules see it: frames go out through here, and what comes in
 * wrong is counted by reason and told of, again and again ever more seldom. I/O thread. */

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"
#include "learner/intake/io_report.h"

/* Of one reason: told of at most so often, from a second up to a minute apart. */
struct post_quiet {
    uint64_t told_ms, wait_ms, held;
};

struct post {
    struct bus_socket *socket;
    struct codec *codec;
    const struct clock *clock;
    uint64_t run;
    uint64_t bad[IO_BAD_REASONS];
    struct post_quiet quiet[IO_BAD_REASONS];
    struct log_limit limit; // of them together
};

/* Full queues and peers that have gone are no errors: what matters is said again. True
 * when the frame is on its way. */
bool post_send(struct post *p, const struct bus_peer *to, struct bytes frame);
/* A header without a body. */
bool post_bare(struct post *p, const struct bus_peer *to, enum frame_kind kind,
               uint32_t number, uint32_t incarnation);
void post_refuse(struct post *p, const struct bus_peer *to, bool final, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));
/* `why` names the field, or is NULL. */
void post_bad(struct post *p, const struct bus_peer *from, enum io_bad reason,
              const char *why);
/* The same of a peer that is known as `who`. */
void post_bad_of(struct post *p, const char *who, enum io_bad reason, const char *why);

static inline uint64_t post_now_ms(const struct post *p)
{
    return clock_ms(p->clock);
}

#endif
