#include "learner/train/inbox.h"

#include <poll.h>

#include "common/base/mem.h"

/* A ring that is not empty does not wake its reader. */
enum { HELD_MS = 1 };

void inbox_init(struct inbox *i, struct ring *to_training)
{
    *i = (struct inbox){.ring = to_training};
    i->caption = mem_new(INBOX_CAPTIONS, sizeof(*i->caption));
    i->text = mem_new(INBOX_TEXTS, sizeof(*i->text));
    i->verdict = mem_new(INBOX_VERDICTS, sizeof(*i->verdict));
}

void inbox_release(struct inbox *i)
{
    mem_free(i->caption);
    mem_free(i->text);
    mem_free(i->verdict);
    *i = (struct inbox){0};
}

/* False: a text or verdict for which there is no room; it must not be lost, nor
 * overtaken. */
static bool take(struct inbox *i, const struct to_training *m)
{
    switch ((enum to_training_kind)m->kind) {
    case TO_TRAINING_STORED:
        i->top = m->serial > i->top ? m->serial : i->top;
        break;
    case TO_TRAINING_CAPTION:
        if (i->captions < INBOX_CAPTIONS) {
            i->caption[i->captions++] = m->caption;
        }
        break;
    case TO_TRAINING_TEXT:
        if (i->texts == INBOX_TEXTS) {
            return false;
        }
        i->text[i->texts++] = m->text;
        break;
    case TO_TRAINING_VERDICT:
        if (i->verdicts == INBOX_VERDICTS) {
            return false;
        }
        i->verdict[i->verdicts++] = m->verdict;
        break;
    case TO_TRAINING_BACKLOG:
        i->members = m->backlog.members;
        i->environments = m->backlog.environments;
        i->window_open = m->backlog.window_open;
        break;
    case TO_TRAINING_STOP:
        i->stop = true;
        break;
    case TO_TRAINING_DRAINED:
        i->drained = true;
        break;
    }
    return true;
}

void inbox_read(struct inbox *i)
{
    if (i->held && !take(i, &i->next)) {
        return;
    }
    i->held = false;
    while (ring_pop(i->ring, &i->next)) {
        if (!take(i, &i->next)) {
            i->held = true;
            return;
        }
    }
}

void inbox_wait(struct inbox *i, int timeout_ms)
{
    struct pollfd fd = {.fd = ring_fd(i->ring), .events = POLLIN};

    if (i->held) {
        timeout_ms = timeout_ms < HELD_MS ? timeout_ms : HELD_MS;
    }

    if (poll(&fd, 1, timeout_ms) > 0) {
        ring_clear_fd(i->ring);
    }
}
