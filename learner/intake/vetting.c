#include "learner/intake/vetting.h"

#include <inttypes.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/wire/seqfile.h"

static const uint64_t unseen_most = (uint64_t)1 << 32; // 10 a second for 13 years

static bool produced_nothing(const struct replay_member *row)
{
    uint64_t dropped = 0;

    for (size_t i = 0; i < sizeof(row->dropped) / sizeof(row->dropped[0]); i++) {
        dropped |= row->dropped[i];
    }
    return row->next_seq == 0 && row->stored == 0 && dropped == 0;
}

static bool superseded(const struct member *list, int count,
                       const struct replay_member *row,
                       const struct replay_member *fresh)
{
    if (fresh->actor == row->actor && fresh->incarnation > row->incarnation) {
        return true;
    }
    for (int i = 0; i < count; i++) {
        if (list[i].row.actor == row->actor &&
            list[i].row.incarnation > row->incarnation) {
            return true;
        }
    }
    return false;
}

int vetting_pick(const struct member *list, int count, uint32_t rank,
                 const struct replay_member *fresh)
{
    int best = -1;

    for (int i = 0; i < count; i++) {
        const struct replay_member *row = &list[i].row;
        // What another rank's produced is in that rank's list.
        const bool accounted = row->rank == rank && !produced_nothing(row);
        if (list[i].alive || list[i].waiting > 0 || accounted ||
            (best >= 0 && list[i].heard_ms >= list[best].heard_ms)) {
            continue;
        }
        if (rank != 0 || superseded(list, count, row, fresh)) {
            best = i;
        }
    }
    return best;
}

bool vetting_believes(const char *run_dir, uint64_t run, uint32_t actor,
                      uint32_t incarnation, uint64_t first_unacked)
{
    char dir[PATH_MAX_];
    struct seqfile_state s;

    if (text_format(dir, sizeof(dir), "%s/actors", run_dir) &&
        seqfile_find(dir, actor, incarnation, &s) == ST_OK && s.run == run) {
        return first_unacked <= s.produced;
    }
    return first_unacked <= unseen_most;
}

bool vetting_fits_run(const struct io_plan *plan, struct post *post,
                      const struct bus_peer *peer, const struct frame_header *h,
                      const struct msg_hello *m)
{
    const struct io_spec *spec = &plan->spec;

    if (h->run != 0 && h->run != plan->run) {
        // Not for good: another run took the port, and the actor's own may come back.
        post_refuse(post, peer, false,
                    "this is run %016" PRIx64 ", the actor belongs to run %016" PRIx64,
                    plan->run, h->run);
    } else if (!bytes_equal(m->task, bytes_text(spec->task))) {
        post_refuse(post, peer, true, "this run plays %s, the actor %.*s", spec->task,
                    (int)m->task.len, (const char *)m->task.data);
    } else if ((int)m->actions != spec->actions ||
               m->spec_digest != spec->spec_digest) {
        post_refuse(post, peer, true,
                    "%s has %d actions and digest %016" PRIx64
                    " in this run, %u and %016" PRIx64
                    " in the actor: start it from the same build",
                    spec->task, spec->actions, spec->spec_digest, m->actions,
                    m->spec_digest);
    } else if ((int)m->value_heads < plan->value_heads) {
        post_refuse(
            post, peer, true,
            "this run's policy has %d value heads, the actor knows %u: start it "
            "from the same build",
            plan->value_heads, m->value_heads);
    } else {
        return true;
    }
    return false;
}
