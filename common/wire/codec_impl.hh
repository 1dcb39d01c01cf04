#ifndef COMMON_WIRE_CODEC_IMPL_HH
#define COMMON_WIRE_CODEC_IMPL_HH
/* What the two halves of the codec share: codec.cc writes, codec_read.cc reads. They are
 * the only C++ in the tree: flatc's generated code and the official verifier. No
 * exceptions, no RTTI; everything that leaves them is a plain struct. */

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" // C11 literals in our headers
#pragma GCC diagnostic ignored "-Wshadow"   // generated code
#define _Noreturn [[noreturn]]
extern "C" {
#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/wire/codec.h"
}
#undef _Noreturn
#include "schemas/control_generated.h"
#include "schemas/judgement_generated.h"
#include "schemas/segment_generated.h"
#include "schemas/weights_generated.h"
#pragma GCC diagnostic pop

namespace fb = flatbuffers;
namespace w = minos::wire;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian");

enum {
    ALIGN = 8,       // no scalar of the schemas is wider
    SCHEMA = 1,      // version of every table
    RAW_MAX = 65536, // a judge's answer as text
    SCRATCH = 8192,  // below it ZeroMQ hands out unaligned frames
    // Each row's caption, each reset's, and the one that row 0 saw.
    TEXTS_MAX = 2 * SEGMENT_STEPS_MAX + 1,
    // More tables than any message has; bounds what a hostile frame makes us verify.
    TABLES_MAX = TEXTS_MAX + SEGMENT_STEPS_MAX + 64,
    BODY_MAX = 1 << 30 // the verifier asserts below 2 GB
};

/* FlatBuffers grows its buffer from here, so that mem_allocations() sees it. */
class counted_allocator : public fb::Allocator {
  public:
    uint8_t *allocate(size_t size) override
    {
        return static_cast<uint8_t *>(mem_new(size, 1));
    }
    void deallocate(uint8_t *p, size_t) override
    {
        mem_free(p);
    }
};

struct codec {
    counted_allocator allocator;
    fb::FlatBufferBuilder builder;
    const char *reason = "";
    uint8_t *scratch = nullptr; // an aligned copy of a body that came unaligned
    size_t scratch_size = 0;
    fb::Offset<void> offsets[TEXTS_MAX]; // of the tables of one list

    codec() : builder(32768, &allocator)
    {
    }
};

#endif
