#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "learner/store/ledger.h"

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct hash128));
}

struct hash128 ledger_set_key(const struct hash128 *caption, int captions)
{
    struct hash128 key[ITEM_CAPTIONS_MAX];

    CHECK(captions >= 2 && captions <= ITEM_CAPTIONS_MAX);
    memcpy(key, caption, (size_t)captions * sizeof(key[0]));
    qsort(key, (size_t)captions, sizeof(key[0]), compare_hashes);
    return hash_128(bytes_of(key, (size_t)captions * sizeof(key[0])));
}

struct hash128 ledger_item_key(const struct bytes *caption, int captions)
{
    struct hash128 key[ITEM_CAPTIONS_MAX] = {0};

    for (int i = 0; i < captions; i++) {
        key[i] = hash_128(caption[i]);
    }
    return captions <= 1 ? key[0] : ledger_set_key(key, captions);
}
