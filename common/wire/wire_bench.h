#ifndef COMMON_WIRE_WIRE_BENCH_H
#define COMMON_WIRE_WIRE_BENCH_H
/* What the wire costs: `minos bench codec` and `minos bench bus`. Each runs for about
 * `seconds` and adds its figures to a row that the caller began. */

#include "common/base/metrics.h"
#include "common/base/status.h"

/* µs for a segment of T = 32 and for one of 135 KB: memcpy of the same bytes, encode,
 * decode (verifier, lengths and values). Medians over batches. */
MUST_USE enum status wire_bench_codec(double seconds, struct metrics_row *out);
/* Segments/s and GB/s from a DEALER to a ROUTER over TCP loopback, two threads, with a
 * window as actors have it; every frame is verified on arrival. ST_TIMEOUT (logged): none
 * arrived. */
MUST_USE enum status wire_bench_bus(double seconds, struct metrics_row *out);

#endif
