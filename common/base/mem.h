#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H
/* Memory: taken at start-up, never NULL, counted. Any thread, but for an arena, which
 * belongs to one. */

#include <stddef.h>
#include <stdint.h>

/* Zeroed, 64-byte aligned. Aborts when memory ends or count * size overflows.
 * count == 0 gives a valid pointer to free. */
void *mem_new(size_t count, size_t size);
/* As realloc; the part that grows is zeroed. `old` may be NULL. */
void *mem_grow(void *old, size_t old_count, size_t new_count, size_t size);
char *mem_text(const char *text); // a copy
void mem_free(void *p);           // NULL is fine

/* How many allocations mem_* has made in this process; loops must not move it. */
uint64_t mem_allocations(void);

/* Anonymous plus shared memory of this process in MB (VmRSS minus RssFile). */
double mem_anon_mb(void);
double mem_anon_peak_mb(void); // the largest that mem_anon_mb() ever returned here

/* Scratch for one batch: reset at the top of the loop, no pointer into it outlives
 * that. */
struct arena {
    uint8_t *base;
    size_t size, used, peak;
};
void arena_init(struct arena *a, size_t size);
void arena_release(struct arena *a);
void arena_reset(struct arena *a);
/* 64-byte aligned, NOT zeroed. CHECKs that it fits. */
void *arena_new(struct arena *a, size_t count, size_t size);

#endif
