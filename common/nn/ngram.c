#include "common/nn/ngram.h"

#include <math.h>
#include <string.h>

#include "common/nn/vec.h"

/* FNV-1a: one multiplication a byte, and the hash of 4 bytes continues that of 3. */
static const uint64_t FNV_BASIS = 0xcbf29ce484222325u, FNV_PRIME = 0x100000001b3u;
static const uint64_t WORD_BASIS = 0x84222325cbf29ce4u; // "the" the word is not "the"

static uint64_t fnv(uint64_t h, uint8_t byte)
{
    return (h ^ byte) * FNV_PRIME;
}

static uint16_t row_of(uint64_t h)
{
    h ^= h >> 32; // the low bits of FNV-1a depend on the low bits of the bytes alone
    h *= 0x9e3779b97f4a7c15u;
    return (uint16_t)(h >> 51); // 64 - 51 = 13 bits
}

int ngram_rows(uint16_t rows[NGRAM_MOST], struct bytes text)
{
    uint8_t s[NGRAM_TEXT_MAX + 2];
    const size_t len = text.len < NGRAM_TEXT_MAX ? text.len : NGRAM_TEXT_MAX;
    int n = 0;

    if (len == 0) {
        return 0;
    }
    s[0] = ' ';
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = ((const uint8_t *)text.data)[i];
        s[i + 1] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    s[len + 1] = ' ';

    const size_t end = len + 2;
    uint64_t word = WORD_BASIS;
    for (size_t i = 0; i < end; i++) {
        uint64_t h = FNV_BASIS;
        for (size_t k = i; k < i + 5 && k < end; k++) {
            h = fnv(h, s[k]);
            if (k >= i + 2) {
                rows[n++] = row_of(h);
            }
        }
        if (s[i] != ' ') {
            word = fnv(word, s[i]);
        } else if (word != WORD_BASIS) {
            rows[n++] = row_of(word);
            word = WORD_BASIS;
        }
    }
    return n;
}

void ngram_forward_rows(float y[NGRAM_DIM], const uint16_t *rows, int n,
                        const struct param *w)
{
    struct vec32 sum = vec_zero();
    for (int i = 0; i < n; i++) {
        sum = vec_sum(sum, vec_get(w->w + (size_t)rows[i] * NGRAM_DIM));
    }
    const float scale = n > 0 ? 1.0f / sqrtf((float)n) : 0.0f;
    vec_put(y, vec_fma(vec_zero(), sum, scale));
}

void ngram_backward_rows(const float dy[NGRAM_DIM], const uint16_t *rows, int n,
                         const struct param *w)
{
    const float scale = n > 0 ? 1.0f / sqrtf((float)n) : 0.0f;
    const struct vec32 d = vec_fma(vec_zero(), vec_get(dy), scale);
    for (int i = 0; i < n; i++) {
        vec_add(w->g + (size_t)rows[i] * NGRAM_DIM, d);
    }
}

void ngram_forward(float y[NGRAM_DIM], struct bytes text, const struct param *w)
{
    uint16_t rows[NGRAM_MOST];
    const int n = ngram_rows(rows, text);

    ngram_forward_rows(y, rows, n, w);
}

void ngram_backward(const float dy[NGRAM_DIM], struct bytes text, const struct param *w)
{
    uint16_t rows[NGRAM_MOST];
    const int n = ngram_rows(rows, text);

    ngram_backward_rows(dy, rows, n, w);
}
