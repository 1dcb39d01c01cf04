/* Before the store is open: the rank's socket, and what the environment is. */

#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/wire/codec.h"
#include "learner/intake/io.h"
#include "learner/intake/post.h"

enum {
    MAX_FRAME = 16 << 20 // 64 verdicts with answers of 64 KB are the largest
};

static enum status write_address(const char *run_dir, const char *endpoint)
{
    char path[PATH_MAX_], line[BUS_ENDPOINT_MAX + 2];

    if (!text_format(path, sizeof(path), "%s/control/stop", run_dir)) {
        return ST_INVALID;
    }
    (void)unlink(path); // of an earlier start
    (void)text_format(path, sizeof(path), "%s/address", run_dir);
    (void)text_format(line, sizeof(line), "%s\n", endpoint);
    return file_write_atomic(path, bytes_text(line));
}

enum status io_listen(const struct io_listen_plan *plan, struct io_listener *out)
{
    struct io_listener l = {.bus = plan->bus};
    const int port = plan->port == 0 ? 0 : plan->port + (int)plan->rank;

    TRY(bus_listen(plan->bus, plan->addr, port, plan->strict, plan->advertise,
                   MAX_FRAME, &l.socket, l.endpoint));
    if (plan->rank == 0) {
        const enum status st = write_address(plan->run_dir, l.endpoint);
        if (st != ST_OK) {
            bus_close(l.socket);
            return st;
        }
    }
    LOG_INFO("INTAKE-LISTEN", "listening at %s", l.endpoint);
    *out = l;
    return ST_OK;
}

void io_listener_close(struct io_listener *l)
{
    bus_close(l->socket);
    l->socket = NULL;
}

void io_look_for_stop(const char *run_dir)
{
    char path[PATH_MAX_];

    if (!stop_asked() && text_format(path, sizeof(path), "%s/control/stop", run_dir) &&
        file_exists(path)) {
        (void)unlink(path);
        LOG_INFO("INTAKE-STOP", "asked to stop through %s", path);
        stop_ask();
    }
}

/* A frame that came before the run knows its environment. ST_OK: it told. */
static enum status read_spec(struct post *post, const struct bus_frame *frame,
                             const char *task, struct io_spec *out)
{
    struct frame_header h;
    struct msg_hello m;

    TRY(frame_read_header(frame->bytes, &h));
    if (h.kind != FRAME_HELLO) {
        return ST_AGAIN; // judges and others say it again
    }
    TRY(codec_decode_hello(post->codec, frame->bytes, &m));
    if (!bytes_equal(m.task, bytes_text(task))) {
        post_refuse(post, &frame->peer, true, "this run plays %s, the actor %.*s", task,
                    (int)m.task.len, (const char *)m.task.data);
        return ST_AGAIN;
    }
    *out = (struct io_spec){.actions = (int)m.actions, .spec_digest = m.spec_digest};
    return text_format(out->task, sizeof(out->task), "%s", task) ? ST_OK : ST_INVALID;
}

enum status io_await_spec_step(struct io_listener *l, const char *task, int timeout_ms,
                               struct io_spec *out)
{
    const int fd = stop_fd();
    struct post post = {
        .socket = l->socket, .codec = codec_new(), .clock = clock_system()};
    struct bus_frame frame = {0};
    enum status st = ST_AGAIN;

    (void)bus_wait(&l->socket, 1, &fd, fd >= 0 ? 1 : 0, NULL, timeout_ms);
    stop_poll();
    while (st == ST_AGAIN && bus_receive(l->socket, &frame) == ST_OK) {
        st = read_spec(&post, &frame, task, out);
        if (st == ST_CORRUPT || st == ST_VERSION) {
            post_bad(&post, &frame.peer,
                     st == ST_VERSION ? IO_BAD_PROTOCOL : IO_BAD_BODY, NULL);
            st = ST_AGAIN;
        }
        bus_frame_release(&frame);
    }
    codec_free(post.codec);
    return st == ST_AGAIN && stop_asked() ? ST_CLOSED : st;
}
