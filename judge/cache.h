#ifndef JUDGE_CACHE_H
#define JUDGE_CACHE_H
/* Answers given before, by what was asked: a question asked again costs nothing. Bounded:
 * the oldest entry leaves for a new one. One goal at a time; the owner clears it when
 * the goal changes. One thread; nothing is allocated after cache_new(). */

#include "common/base/hash.h"
#include "judge/judge.h"

struct cache;

struct cache *cache_new(int entries);
void cache_free(struct cache *c); // NULL is fine
void cache_clear(struct cache *c);
/* The key: kind, captions and their order; not the id, not the purpose. */
struct hash128 cache_key(const struct judge_question *q);
/* False when there is none; *v is then untouched. `raw` and tokens come back empty. */
bool cache_get(const struct cache *c, struct hash128 key, struct judge_verdict *v);
/* Keeps verdicts of kind label, tie and abstain; the others say something about the
 * moment, not about the item. */
void cache_put(struct cache *c, struct hash128 key, const struct judge_verdict *v);
int cache_count(const struct cache *c);

#endif
