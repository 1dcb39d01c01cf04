#include "actor/envs/nethack/demand.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    MAP_ROW_FIRST = 2, // NetHack's map rows 1..20; row 1 of the screen stays empty
    MAP_ROW_LAST = 21,
    MESSAGE_ROW_LAST = 5 // no message is longer
};

static const char MORE[] = "--More--";
enum { MORE_LEN = sizeof(MORE) - 1 };

static bool ends_with(const uint8_t *row, int end, const char *word)
{
    const int len = (int)strlen(word);

    return end >= len && memcmp(row + end - len, word, (size_t)len) == 0;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* "(2 of 3)" before column `end`. */
static bool ends_with_page(const uint8_t *row, int end)
{
    int at = end - 1;

    if (at < 0 || row[at--] != ')') {
        return false;
    }
    const int last = at;
    while (at >= 0 && is_digit(row[at])) {
        at--;
    }
    if (at == last || at < 3 || memcmp(row + at - 3, " of ", 4) != 0) {
        return false;
    }
    at -= 4;
    const int first = at;
    while (at >= 0 && is_digit(row[at])) {
        at--;
    }
    return at != first && at >= 0 && row[at] == '(';
}

static bool row_has(const uint8_t *row, const char *word)
{
    return memmem(row, TERMINAL_COLS, word, strlen(word)) != NULL;
}

/* Of the message rows down to the cursor's. A word that is broken over two rows is not
 * found; tty breaks at spaces. */
static bool message_has(const struct terminal *t, const char *word)
{
    for (int r = 0; r <= t->row && r < MAP_ROW_FIRST; r++) {
        if (row_has(t->chars[r], word)) {
            return true;
        }
    }
    return false;
}

enum demand demand_read(const struct terminal *t)
{
    const uint8_t *row = t->chars[t->row];
    // Where something can be chosen, the cursor stands one blank behind the mark.
    const int end = t->col > 0 && row[t->col - 1] == ' ' ? t->col - 1 : t->col;

    if (ends_with(row, t->col, MORE)) {
        return DEMAND_MORE;
    }
    if (ends_with(row, end, "(end)") || ends_with_page(row, end)) {
        return DEMAND_MENU;
    }
    if (t->row < MAP_ROW_FIRST) {
        const bool choice = (message_has(t, "?") && message_has(t, "[")) ||
                            message_has(t, "direction?");
        return choice ? DEMAND_CHOICE : DEMAND_TEXT;
    }
    // getpos() says so once; the cursor is then its own, not the hero's.
    if (row_has(t->chars[0], "(For instructions type a")) {
        return DEMAND_POSITION;
    }
    return DEMAND_COMMAND;
}

/* Adds cells [from, to) of a row after one space when something stands before. A run of
 * blanks becomes one: NetHack puts two between messages that share a row, so where the
 * page happened to break would make two captions of one. */
static size_t add_cells(char *out, size_t len, const uint8_t *row, int from, int to)
{
    bool gap = len > 0;

    for (int c = from; c < to; c++) {
        if (row[c] == ' ') {
            gap = len > 0;
            continue;
        }
        if (len + 2 >= DEMAND_TEXT_MAX) {
            break;
        }
        if (gap) {
            out[len++] = ' ';
            gap = false;
        }
        out[len++] = (char)row[c];
    }
    return len;
}

size_t demand_message(const struct terminal *t, enum demand p,
                      char out[DEMAND_TEXT_MAX])
{
    size_t len = 0;
    const int r = t->row;

    if (p == DEMAND_COMMAND || p == DEMAND_POSITION) {
        len = add_cells(out, len, t->chars[0], 0, TERMINAL_COLS);
    } else if (p == DEMAND_CHOICE || p == DEMAND_TEXT) {
        for (int i = 0; i <= r; i++) {
            len = add_cells(out, len, t->chars[i], 0, i == r ? t->col : TERMINAL_COLS);
        }
    } else if (p == DEMAND_MORE) {
        const int more = t->col - MORE_LEN;
        // Under a window --More-- stands below the first column of the text, after the
        // blank that frees it from the map; a message runs into its --More--.
        const bool window =
            r >= MAP_ROW_FIRST && more > 0 && t->chars[r][more - 1] == ' ';
        if (!window && r > MESSAGE_ROW_LAST) {
            out[0] = '\0'; // a full screen of text
            return 0;
        }
        for (int i = 0; i < r; i++) {
            len = add_cells(out, len, t->chars[i], window ? more : 0, TERMINAL_COLS);
        }
        if (!window) {
            len = add_cells(out, len, t->chars[r], 0, more);
        }
    }
    out[len] = '\0';
    return len;
}
