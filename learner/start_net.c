#include "learner/start_net.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { FIRST_PORT = 7340, SPEC_WAIT_MS = 500, SAY_MS = 10000 };
static const char loopback[] = "127.0.0.1";

/* ---- addresses ---- */

static enum status gather_hosts(struct learner *l, bool *several)
{
    const int count = ranks_count(l->ranks);
    char host[64] = "localhost";
    size_t lens[RANKS_MAX];

    (void)gethostname(host, sizeof(host) - 1);
    l->hosts = mem_new((size_t)count, sizeof(*l->hosts));
    l->endpoints = mem_new((size_t)count, sizeof(*l->endpoints));
    TRY(ranks_collect(l->ranks, bytes_of(host, sizeof(host)), sizeof(host),
                      (uint8_t *)l->hosts, lens));
    *several = false;
    for (int i = 1; i < count; i++) {
        *several = *several || strcmp(l->hosts[i], l->hosts[0]) != 0;
    }
    return ST_OK;
}

/* The first address of this host that is not loopback. */
static bool find_interface(char out[64])
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (getifaddrs(&all) != 0) {
        return false;
    }
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        const struct sockaddr_in *in = (const void *)i->ifa_addr;
        found = in != NULL && in->sin_family == AF_INET &&
                (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_LOOPBACK) == 0 &&
                inet_ntop(AF_INET, &in->sin_addr, out, 64) != NULL;
    }
    freeifaddrs(all);
    return found;
}

/* The address that others dial: what this host's name resolves to, or, where that is
 * loopback as a stock Debian has it, the first interface's. False: there is none. */
static bool find_address(const char *host, char out[64])
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (getaddrinfo(host, NULL, &hints, &found) == 0) {
        const struct sockaddr_in *in = (const void *)found->ai_addr;
        inet_ntop(AF_INET, &in->sin_addr, out, 64);
        freeaddrinfo(found);
        if (strncmp(out, "127.", 4) != 0) {
            return true;
        }
    }
    return find_interface(out);
}

/* On one host: what --bind says. On several the default would be a dead end. */
static enum status choose_address(const struct learner *l, bool several, char addr[64],
                                  char advertise[64])
{
    const char *bind = l->options.bind;
    const char *host = l->hosts[ranks_index(l->ranks)];

    text_format(addr, 64, "%s", bind);
    text_format(advertise, 64, "%s", bind);
    if (several && strcmp(bind, loopback) == 0) {
        if (!find_address(host, addr)) {
            LOG_ERROR("NET-ADDRESS",
                      "host %s has no address but loopback, which other hosts cannot "
                      "dial; give --bind=ADDR",
                      host);
            return ST_INVALID;
        }
        text_format(advertise, 64, "%s", addr);
    } else if (strcmp(bind, "0.0.0.0") == 0 && !find_address(host, advertise)) {
        LOG_WARN("NET-ADDRESS",
                 "host %s has no address but loopback: only processes of "
                 "this host can join",
                 host);
        text_format(advertise, 64, "%s", loopback);
    }
    if (strncmp(advertise, "127.", 4) != 0) {
        LOG_WARN("NET-OPEN",
                 "listens on %s without asking who calls; use it in networks that you "
                 "trust alone",
                 advertise);
    }
    return ST_OK;
}

static int port_of(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    int64_t port = 0;

    if (colon != NULL) {
        (void)text_to_i64(colon + 1, 1, 65535, &port);
    }
    return (int)port;
}

enum status start_net_listen(struct learner *l)
{
    const int rank = ranks_index(l->ranks), count = ranks_count(l->ranks);
    char addr[64], advertise[64];
    size_t lens[RANKS_MAX];
    bool several;

    TRY(gather_hosts(l, &several));
    TRY(choose_address(l, several, addr, advertise));
    // Actors and judges that outlive a learner dial the port that they know.
    const int64_t known =
        l->options.port > 0 ? l->options.port : (int64_t)l->plan.dir.port;
    const int64_t first = known > 0 ? known : FIRST_PORT;
    const struct io_listen_plan plan = {.bus = l->bus,
                                        .addr = addr,
                                        .advertise = advertise,
                                        .port = (int)first, // and rank r's r above
                                        .strict = l->options.port > 0 && rank == 0,
                                        .rank = (uint32_t)rank,
                                        .run_dir = l->options.run_dir};
    TRY(io_listen(&plan, &l->listener));
    TRY(ranks_collect(l->ranks, bytes_of(l->listener.endpoint, BUS_ENDPOINT_MAX),
                      BUS_ENDPOINT_MAX, (uint8_t *)l->endpoints, lens));
    if (rank != 0) {
        return ST_OK;
    }
    LOG_INFO("NET-LISTEN", "%d rank%s, actors and judges dial %s", count,
             count == 1 ? "" : "s", l->listener.endpoint);
    if (l->plan.dir.port > 0 && l->plan.dir.port != port_of(l->listener.endpoint)) {
        LOG_WARN(
            "NET-MOVED",
            "this run had port %d before; actors and judges that dial it by number "
            "must be started again",
            l->plan.dir.port);
    }
    const struct rundir_goal goal = {l->goal.name, l->goal.digest};
    return rundir_put_port(&l->options, &goal, count, &l->plan.dir,
                           port_of(l->listener.endpoint));
}

/* ---- the environment ---- */

/* One look on rank 0, told to all, so that nobody seems to hang while no actor is there. */
struct look {
    struct io_spec spec;
    int32_t status;
};

static void look_once(struct learner *l, struct look *look)
{
    io_look_for_stop(l->options.run_dir);
    // Written again each time: where locks do not reach, old progress means dead.
    rundir_put_quick(l->options.run_dir, "progress.json",
                     "{\"state\": \"starting\", \"waiting_for\": \"actors\"}");
    const enum status st =
        io_await_spec_step(&l->listener, l->options.env, SPEC_WAIT_MS, &look->spec);

    if (st == ST_CLOSED) {
        rundir_put_quick(l->options.run_dir, "progress.json", "{\"state\": \"done\"}");
    }
    look->status = (int32_t)st;
}

enum status start_net_spec(struct learner *l)
{
    const struct checkpoint_manifest *m = &l->plan.manifest;
    const bool first = ranks_index(l->ranks) == 0;
    uint64_t said = clock_ms(l->clock);

    if (l->plan.resumed) {
        l->spec =
            (struct io_spec){.actions = m->actions, .spec_digest = m->spec_digest};
        text_format(l->spec.task, sizeof(l->spec.task), "%s", m->task);
        return ST_OK;
    }
    for (;;) {
        struct look look = {0};
        size_t len = sizeof(look);
        if (first) {
            look_once(l, &look);
        }
        TRY(ranks_share(l->ranks, &look, &len, sizeof(look)));
        if (look.status != ST_AGAIN) {
            l->spec = look.spec;
            return (enum status)look.status;
        }
        if (first && clock_ms(l->clock) - said >= SAY_MS) {
            said = clock_ms(l->clock);
            LOG_INFO("NET-WAITS", "waits for the first actor of %s at %s",
                     l->options.env, l->listener.endpoint);
        }
    }
}
