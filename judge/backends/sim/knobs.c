#include "judge/backends/sim/knobs.h"

#include <string.h>

#include "common/base/log.h"
#include "judge/options.h"

static enum status check_failures(const struct sim_knobs *k)
{
    const double sum = k->abstain + k->timeout + k->refused + k->overload +
                       k->unparseable + k->garbage;

    // Six decimal shares may add up to a hair more than 1.
    if (sum > 1 + 1e-9) {
        LOG_ERROR("SIM-KNOBS",
                  "the shares sim-abstain, -timeout, -refused, -overload, -unparseable "
                  "and -garbage are %g together, at most 1 is possible",
                  sum);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status check_latency(const struct sim_knobs *k)
{
    if (k->latency_p99 > 0 && k->latency == 0) {
        LOG_ERROR("SIM-KNOBS", "--sim-latency-p99 is %g, but --sim-latency is 0",
                  k->latency_p99);
        return ST_INVALID;
    }
    if (k->latency_p99 > 0 && k->latency_p99 < k->latency) {
        LOG_ERROR(
            "SIM-KNOBS",
            "--sim-latency-p99 is %g, below the median --sim-latency, which is %g",
            k->latency_p99, k->latency);
        return ST_INVALID;
    }
    if (k->latency > k->latency_cap) {
        LOG_ERROR("SIM-KNOBS",
                  "--sim-latency is %g, above --sim-latency-cap, which is %g",
                  k->latency, k->latency_cap);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status check_outage(const struct sim_knobs *k)
{
    if (k->outage_every == 0 && k->outage_length > 0) {
        LOG_ERROR("SIM-KNOBS",
                  "--sim-outage-length is %g, but --sim-outage-every is 0: never",
                  k->outage_length);
        return ST_INVALID;
    }
    if (k->outage_every > 0 &&
        !(k->outage_length > 0 && k->outage_length < k->outage_every)) {
        LOG_ERROR("SIM-KNOBS",
                  "--sim-outage-length is %g; it must be above 0 and below "
                  "--sim-outage-every, which is %g",
                  k->outage_length, k->outage_every);
        return ST_INVALID;
    }
    return ST_OK;
}

enum status knobs_check(const struct sim_knobs *k)
{
    TRY(check_failures(k));
    TRY(check_latency(k));
    TRY(check_outage(k));
    if (k->target[0] != '\0' && k->adversary == 0) {
        LOG_ERROR("SIM-KNOBS", "--sim-target is %s, but --sim-adversary is 0: none",
                  k->target);
        return ST_INVALID;
    }
    return ST_OK;
}

void knobs_describe(const struct judge_options *options, struct text_buf *out)
{
    // The table is the only list of the knobs, so that none can be forgotten here.
    for (const struct option *row = judge_option_table; row->name != NULL; row++) {
        const size_t begin = offsetof(struct judge_options, sim_knobs);
        char value[OPTION_TEXT_MAX];

        if (row->offset < begin || row->offset >= begin + sizeof(struct sim_knobs)) {
            continue;
        }
        option_value(row, options, value);
        if (strcmp(value, row->preset) != 0) {
            text_buf_add(out, "%s%s %s", out->len > 0 ? ", " : "",
                         row->name + strlen("sim-"), value);
        }
    }
}
