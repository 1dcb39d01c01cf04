#include "common/base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { ALIGN = 64 }; // a cache line, and the widest vector register

static atomic_uint_fast64_t allocations;
static atomic_uint_fast64_t anon_peak_kb;

static void *take(size_t count, size_t size)
{
    size_t bytes;
    void *p = NULL;

    if (__builtin_mul_overflow(count, size, &bytes) ||
        posix_memalign(&p, ALIGN, bytes > 0 ? bytes : 1) != 0) {
        fprintf(stderr, "out of memory: %zu times %zu bytes\n", count, size);
        abort();
    }
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return p;
}

void *mem_new(size_t count, size_t size)
{
    void *p = take(count, size);

    return memset(p, 0, count * size);
}

void *mem_grow(void *old, size_t old_count, size_t new_count, size_t size)
{
    const size_t kept = old_count < new_count ? old_count : new_count;
    uint8_t *p = take(new_count, size); // realloc() would lose the alignment

    if (old != NULL) {
        memcpy(p, old, kept * size);
        free(old);
        memset(p + kept * size, 0, (new_count - kept) * size);
    } else {
        memset(p, 0, new_count * size);
    }
    return p;
}

char *mem_text(const char *text)
{
    const size_t size = strlen(text) + 1;

    return memcpy(take(size, 1), text, size);
}

void mem_free(void *p)
{
    free(p);
}

uint64_t mem_allocations(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

/* VmRSS = RssAnon + RssFile + RssShmem; file pages are the page cache's, not ours. */
double mem_anon_mb(void)
{
    uint64_t kb = 0, anon = 0, shared = 0;
    char line[128];
    FILE *f = fopen("/proc/self/status", "re");

    if (f == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "RssAnon: %lu", &kb) == 1) {
            anon = kb;
        } else if (sscanf(line, "RssShmem: %lu", &kb) == 1) {
            shared = kb;
        }
    }
    fclose(f);
    kb = anon + shared;
    uint64_t peak = atomic_load(&anon_peak_kb);
    while (kb > peak && !atomic_compare_exchange_weak(&anon_peak_kb, &peak, kb)) {
    }
    return (double)kb / 1024.0;
}

double mem_anon_peak_mb(void)
{
    return (double)atomic_load(&anon_peak_kb) / 1024.0;
}

void arena_init(struct arena *a, size_t size)
{
    *a = (struct arena){.base = take(size, 1), .size = size};
}

void arena_release(struct arena *a)
{
    mem_free(a->base);
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    a->used = 0;
}

void *arena_new(struct arena *a, size_t count, size_t size)
{
    size_t bytes, rounded;

    CHECK(!__builtin_mul_overflow(count, size, &bytes));
    CHECK(!__builtin_add_overflow(bytes, (size_t)ALIGN - 1, &rounded));
    rounded &= ~((size_t)ALIGN - 1);
    if (rounded > a->size - a->used) {
        fprintf(stderr, "arena of %zu bytes: %zu used, %zu more asked\n", a->size,
                a->used, rounded);
        CHECK(rounded <= a->size - a->used);
    }
    void *p = a->base + a->used;
    a->used += rounded;
    a->peak = a->used > a->peak ? a->used : a->peak;
    return p;
}
