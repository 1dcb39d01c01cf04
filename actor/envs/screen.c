#include "actor/envs/screen.h"

#include <string.h>

#include "common/base/check.h"

void screen_clear(struct env_obs *o)
{
    memset(o, 0, sizeof(*o));
    memset(o->chars, ' ', sizeof(o->chars));
    memset(o->colors, COLOR_GRAY, sizeof(o->colors));
    o->event = ENV_EVENT_NONE;
}

void screen_text(struct env_obs *o, int row, int col, const char *text, uint8_t color)
{
    for (; *text != '\0' && col < ENV_COLS; text++, col++) {
        screen_put(o, row, col, (uint8_t)*text, color);
    }
}

void screen_caption(struct env_obs *o, const char *text, size_t len, int16_t event)
{
    size_t before = o->caption_len < ENV_COLS ? o->caption_len : ENV_COLS;
    size_t shown = len < ENV_COLS ? len : ENV_COLS;

    CHECK(len <= ENV_CAPTION_MAX);
    memcpy(o->caption, text, len);
    o->caption[len] = '\0';
    o->caption_len = (uint16_t)len;
    o->event = event;
    memcpy(o->chars[0], text, shown);
    if (before > shown) {
        memset(o->chars[0] + shown, ' ', before - shown);
    }
}
