#include "actor/envs/nethack/keys.h"

#include <string.h>

enum { KEY_ESC = 27, KEY_META_E = 0xe5, KEY_CAST = 'Z', KEY_FIRST = 'a' };

/* Questions that stay the agent's, by what they say: NLE's list, and drink for the
 * action that ONI adds. Case counts, as there. */
static const char *const kept_words[] = {"eat", "attack", "direction?", "pray",
                                         "drink"};
static const char STAIRS[] = "You descend the stairs.";
static const char SKILL[] = "You feel more confident in";

void keys_init(struct keys *k)
{
    memset(k, 0, sizeof(*k));
}

static void caption_clear(struct keys *k)
{
    k->caption_len = 0;
    k->page_at = 0;
    k->page_len = 0;
    k->caption[0] = '\0';
}

int keys_begin(struct keys *k, uint8_t action)
{
    caption_clear(k);
    k->action = action;
    k->automatic = 0;
    k->kept = false;
    k->pressed++;
    return action;
}

/* Pages follow each other after one space. One that still shows what the last one said
 * (an answered question stays on the row) says nothing new. When the caption is full,
 * the rest of the page is cut; a page that tells of the stairs pushes out the others,
 * because a task may hang on it. */
static void caption_add(struct keys *k, const char *text, size_t len)
{
    if (len == 0 || (k->page_len > 0 && len >= k->page_len &&
                     memcmp(k->caption + k->page_at, text, k->page_len) == 0)) {
        return;
    }
    size_t space = k->caption_len > 0 ? 1 : 0;
    if (k->caption_len + space + len > KEYS_CAPTION_MAX &&
        strstr(text, STAIRS) != NULL) {
        caption_clear(k);
        space = 0;
    }
    const size_t room = KEYS_CAPTION_MAX - k->caption_len;
    if (room <= space) {
        return;
    }
    if (len > room - space) {
        len = room - space;
    }
    if (space > 0) {
        k->caption[k->caption_len++] = ' ';
    }
    memcpy(k->caption + k->caption_len, text, len);
    k->page_at = k->caption_len;
    k->page_len = (uint16_t)len;
    k->caption_len = (uint16_t)(k->caption_len + len);
    k->caption[k->caption_len] = '\0';
}

static bool is_kept(const char *text)
{
    for (size_t i = 0; i < sizeof(kept_words) / sizeof(kept_words[0]); i++) {
        if (strstr(text, kept_words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool screen_has(const struct terminal *t, const char *word)
{
    return memmem(t->chars, sizeof(t->chars), word, strlen(word)) != NULL;
}

static int close_page(struct keys *k, const struct terminal *t, enum demand p)
{
    if (p == DEMAND_MENU && k->enhancing) {
        k->enhancing = false;
        if (screen_has(t, "Pick a skill to")) {
            return KEY_FIRST;
        }
    }
    if (p == DEMAND_MENU && k->action == KEY_CAST &&
        screen_has(t, "Choose which spell to cast")) {
        k->action = 0;
        return KEY_FIRST;
    }
    return ' ';
}

static int answer(struct keys *k, const struct terminal *t, enum demand p,
                  const char *text)
{
    switch (p) {
    case DEMAND_MORE:
    case DEMAND_MENU:
        return close_page(k, t, p);
    case DEMAND_CHOICE:
        if (is_kept(text)) {
            k->kept = true;
            return KEYS_STOP;
        }
        return KEY_ESC;
    case DEMAND_TEXT:
    case DEMAND_POSITION:
        return KEY_ESC;
    default:
        break;
    }
    if (k->enhance) {
        k->enhance = false;
        k->enhancing = true;
        return KEY_META_E;
    }
    k->enhancing = false;
    return KEYS_STOP;
}

int keys_next(struct keys *k, const struct terminal *t, enum demand *p)
{
    char text[DEMAND_TEXT_MAX];

    *p = demand_read(t);
    const size_t len = demand_message(t, *p, text);
    caption_add(k, text, len);
    if (strstr(text, SKILL) != NULL) {
        k->enhance = true;
    }
    if (k->automatic >= KEYS_AUTOMATIC_MAX) {
        k->overflows++;
        return KEYS_STOP;
    }
    const int key = answer(k, t, *p, text);
    if (key != KEYS_STOP) {
        k->automatic++;
        k->pressed++;
    }
    return key;
}
