#include "learner/intake/forms.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/wire/segment.h"

enum {
    WORD_SLOTS = 2 * FORMS_WORDS,
    FORM_SLOTS = 2 * FORMS_MOST,
    PLACES = 16384,  // places in texts where words were counted
    WAYS = 4,        // of which so many share a hash
    NOVEL_MOST = 64, // captions of never met words at one place, then such are rare
    AGEING = 65536,  // captions between two rounds that make room for words
    TOKENS_MOST = SEGMENT_TEXT_MAX,
    ROUNDS = 4 // a caption's words turn rare one after the other
};

struct word {
    uint64_t hash;     // 0: free
    uint32_t captions; // distinct ones that it was in
    bool filler;       // has stood in a slot
};

/* A text with one place left open, and which words have stood there. */
struct place {
    uint64_t hash;
    uint32_t count; // of words, or of captions
    uint64_t word[FORMS_SLOT_WORDS];
};

enum token_kind { TOKEN_WORD, TOKEN_DIGITS, TOKEN_QUOTED, TOKEN_SPACE, TOKEN_MARK };

struct token {
    uint8_t kind;
    bool rare, novel;
    const char *at;
    uint32_t len;
    uint64_t hash; // of a word
};

struct forms {
    struct word *word;   // (WORD_SLOTS)
    struct word *spare;  // (WORD_SLOTS) for ageing
    struct place *place; // (PLACES)
    struct {
        uint64_t hash; // 0: free
        uint32_t form;
    } * slot; // (FORM_SLOTS)
    uint32_t words, count;
    uint64_t captions, aged; // met; at the last ageing
    struct token token[TOKENS_MOST];
    int tokens;
    char text[FORMS_TEXT_MOST], scratch[FORMS_TEXT_MOST];
};

struct forms *forms_new(void)
{
    struct forms *f = mem_new(1, sizeof(*f));

    f->word = mem_new(WORD_SLOTS, sizeof(*f->word));
    f->spare = mem_new(WORD_SLOTS, sizeof(*f->spare));
    f->place = mem_new(PLACES, sizeof(*f->place));
    f->slot = mem_new(FORM_SLOTS, sizeof(*f->slot));
    return f;
}

void forms_free(struct forms *f)
{
    if (f != NULL) {
        mem_free(f->word);
        mem_free(f->spare);
        mem_free(f->place);
        mem_free(f->slot);
        mem_free(f);
    }
}

uint32_t forms_count(const struct forms *f)
{
    return f->count;
}

const char *forms_text(const struct forms *f)
{
    return f->text;
}

static uint64_t hash_of(const void *data, size_t len)
{
    const uint64_t h = hash_64(bytes_of(data, len));

    return h != 0 ? h : 1;
}

/* ---- words ---- */

static struct word *word_slot(const struct forms *f, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (WORD_SLOTS - 1);

    while (f->word[at].hash != 0 && f->word[at].hash != hash) {
        at = (at + 1) & (WORD_SLOTS - 1);
    }
    return &f->word[at];
}

/* Room for newcomers: the quarter that was in the fewest captions goes. */
static void age_words(struct forms *f)
{
    struct word *old = f->word;
    uint32_t least = 0, kept = FORMS_WORDS;

    while (kept > FORMS_WORDS / 4 * 3) {
        least++;
        kept = 0;
        for (int i = 0; i < WORD_SLOTS; i++) {
            kept += old[i].hash != 0 && old[i].captions > least;
        }
    }
    f->word = f->spare;
    f->spare = old;
    memset(f->word, 0, WORD_SLOTS * sizeof(*f->word));
    for (int i = 0; i < WORD_SLOTS; i++) {
        if (old[i].hash != 0 && old[i].captions > least) {
            *word_slot(f, old[i].hash) = old[i];
        }
    }
    f->words = kept;
    f->aged = f->captions;
}

/* Counts the caption's words, and lets in those that are new and not rare. */
static void count_words(struct forms *f)
{
    f->captions++;
    if (f->words == FORMS_WORDS && f->captions - f->aged >= AGEING) {
        age_words(f);
    }
    for (int i = 0; i < f->tokens; i++) {
        const struct token *t = &f->token[i];
        if (t->kind != TOKEN_WORD || (t->novel && t->rare)) {
            continue;
        }
        struct word *w = word_slot(f, t->hash);
        if (w->hash == 0 && f->words < FORMS_WORDS) {
            w->hash = t->hash;
            f->words++;
        }
        w->captions += w->hash != 0;
    }
}

/* ---- a caption's parts ---- */

static enum token_kind kind_of(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return TOKEN_DIGITS;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80 || c == '\'') {
        return TOKEN_WORD;
    }
    return c == '"' ? TOKEN_QUOTED : c <= ' ' ? TOKEN_SPACE : TOKEN_MARK;
}

static uint32_t length_of(const char *at, const char *end, enum token_kind kind)
{
    const char *p = at + 1;

    if (kind == TOKEN_QUOTED) {
        while (p < end && *p != '"') {
            p++;
        }
        return (uint32_t)(p - at) + (p < end);
    }
    while (p < end && kind != TOKEN_MARK && kind_of((unsigned char)*p) == kind) {
        p++;
    }
    return (uint32_t)(p - at);
}

static void split(struct forms *f, struct bytes caption)
{
    const char *at = caption.data, *end = at + caption.len;

    f->tokens = 0;
    while (at < end && f->tokens < TOKENS_MOST) {
        struct token *t = &f->token[f->tokens++];
        const enum token_kind kind = kind_of((unsigned char)*at);
        *t = (struct token){.kind = (uint8_t)kind, .at = at};
        t->len = length_of(at, end, kind);
        if (kind == TOKEN_WORD) {
            t->hash = hash_of(at, t->len);
            const struct word *w = word_slot(f, t->hash);
            t->novel = w->hash == 0;
            t->rare = w->filler || (t->novel && f->words == FORMS_WORDS);
        }
        at += t->len;
    }
}

/* Writes the caption with its rare words, those never met when `novel`, and token `open`
 * (-1: none) left out. Returns the length. */
static size_t write_form(const struct forms *f, bool novel, int open,
                         char out[FORMS_TEXT_MOST])
{
    size_t len = 0;
    bool star = false; // the last that stands there, blanks aside

    for (int i = 0; i < f->tokens && len + SEGMENT_TEXT_MAX < FORMS_TEXT_MOST; i++) {
        const struct token *t = &f->token[i];
        const bool rare = t->kind == TOKEN_WORD && (t->rare || (novel && t->novel));
        if (t->kind == TOKEN_SPACE) {
            out[len++] = ' ';
        } else if (i == open) {
            out[len++] = '\1';
            star = false;
        } else if (rare) {
            len -= star && out[len - 1] == ' ' ? 1 : 0;
            out[len] = '*';
            len += star ? 0 : 1;
            star = true;
        } else if (t->kind == TOKEN_DIGITS) {
            out[len++] = '#';
            star = false;
        } else if (t->kind == TOKEN_QUOTED) {
            memcpy(out + len, "\"…\"", sizeof("\"…\"") - 1);
            len += sizeof("\"…\"") - 1;
            star = false;
        } else {
            memcpy(out + len, t->at, t->len);
            len += t->len;
            star = false;
        }
    }
    out[len] = '\0';
    return len;
}

/* ---- slots ---- */

/* The place's row, made when new; of those that share its hash the least used one goes. */
static struct place *place_of(struct forms *f, uint64_t hash)
{
    struct place *set = &f->place[hash % (PLACES / WAYS) * WAYS], *least = set;

    for (int i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            return &set[i];
        }
        least = set[i].count < least->count ? &set[i] : least;
    }
    *least = (struct place){.hash = hash};
    return least;
}

/* Words never met, at a place where that has happened often: they are rare. */
static bool find_novelty(struct forms *f)
{
    bool any = false;

    for (int i = 0; i < f->tokens; i++) {
        any = any || (f->token[i].novel && !f->token[i].rare);
    }
    if (!any) {
        return false;
    }
    const size_t len = write_form(f, true, -1, f->scratch);
    struct place *p = place_of(f, hash_of(f->scratch, len));
    if (p->count < NOVEL_MOST) {
        p->count++;
        return false;
    }
    for (int i = 0; i < f->tokens; i++) {
        f->token[i].rare = f->token[i].rare || f->token[i].novel;
    }
    return true;
}

/* Whether token i may turn out to stand in a slot. Beside words that are rare already only
 * their neighbours may ("the mangy *"): else with nouns left out verbs would look like
 * slots, and hitting would be the same as killing. */
static bool may_stand_in_slot(const struct forms *f, int i, bool any_rare)
{
    const struct token *t = &f->token[i];

    if (t->kind != TOKEN_WORD || t->rare) {
        return false;
    }
    return !any_rare || (i >= 2 && f->token[i - 2].rare) ||
           (i + 2 < f->tokens && f->token[i + 2].rare);
}

/* Counts the caption's words at their places. True when some became rare. */
static bool find_slots(struct forms *f)
{
    bool any_rare = false, found = false;

    for (int i = 0; i < f->tokens; i++) {
        any_rare = any_rare || f->token[i].rare;
    }
    for (int i = 0; i < f->tokens; i++) {
        if (!may_stand_in_slot(f, i, any_rare)) {
            continue;
        }
        const size_t len = write_form(f, false, i, f->scratch);
        struct place *p = place_of(f, hash_of(f->scratch, len));
        uint32_t n = 0;
        while (n < p->count && p->word[n] != f->token[i].hash) {
            n++;
        }
        if (n == p->count && n < FORMS_SLOT_WORDS) {
            p->word[p->count++] = f->token[i].hash;
        }
        if (p->count < FORMS_SLOT_WORDS) {
            continue;
        }
        for (n = 0; n < FORMS_SLOT_WORDS; n++) {
            struct word *w = word_slot(f, p->word[n]);
            w->filler = w->hash != 0;
        }
        struct word *w = word_slot(f, f->token[i].hash);
        w->filler = w->hash != 0;
        f->token[i].rare = found = true;
    }
    return found;
}

/* ---- forms ---- */

/* The slot of the form that the text stands for, or the free one where it belongs. */
static uint32_t form_slot(const struct forms *f, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (FORM_SLOTS - 1);

    while (f->slot[at].hash != 0 && f->slot[at].hash != hash) {
        at = (at + 1) & (FORM_SLOTS - 1);
    }
    return at;
}

static uint64_t write_text(struct forms *f)
{
    return hash_of(f->text, write_form(f, false, -1, f->text));
}

uint32_t forms_of(struct forms *f, struct bytes caption)
{
    split(f, caption);
    (void)find_novelty(f);
    count_words(f);
    uint64_t hash = write_text(f);
    uint32_t at = form_slot(f, hash);
    for (int i = 0; i < ROUNDS && f->slot[at].hash == 0 && find_slots(f); i++) {
        hash = write_text(f);
        at = form_slot(f, hash);
    }
    if (f->slot[at].hash == 0 && f->count < FORMS_MOST) {
        f->slot[at].hash = hash;
        f->slot[at].form = f->count++;
    }
    return f->slot[at].hash != 0 ? f->slot[at].form : FORMS_MOST - 1;
}
