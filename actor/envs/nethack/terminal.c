#include "actor/envs/nethack/terminal.h"

#include <string.h>

enum {
    ROWS = TERMINAL_ROWS,
    COLS = TERMINAL_COLS,
    FG_DEFAULT = 8,
    COLOR_PLAIN = 7,
    ADD_BOLD = 8,
    ADD_REVERSE = 16
};

enum { IN_TEXT, IN_ESC, IN_CSI, IN_CHARSET, IN_STRING, IN_STRING_ESC };

static void blank(struct terminal *t, int from, int to)
{
    memset(&t->chars[0][0] + from, ' ', (size_t)(to - from));
    memset(&t->colors[0][0] + from, 0, (size_t)(to - from));
}

void terminal_init(struct terminal *t)
{
    memset(t, 0, sizeof(*t));
    t->fg = FG_DEFAULT;
    blank(t, 0, ROWS * COLS);
}

static void scroll_up(struct terminal *t)
{
    memmove(t->chars[0], t->chars[1], (size_t)(ROWS - 1) * COLS);
    memmove(t->colors[0], t->colors[1], (size_t)(ROWS - 1) * COLS);
    blank(t, (ROWS - 1) * COLS, ROWS * COLS);
}

static void line_feed(struct terminal *t)
{
    if (t->row == ROWS - 1) {
        scroll_up(t);
    } else {
        t->row++;
    }
}

static int clamp(int v, int most)
{
    return v < 0 ? 0 : v > most ? most : v;
}

static void move_to(struct terminal *t, int row, int col)
{
    t->row = (int16_t)clamp(row, ROWS - 1);
    t->col = (int16_t)clamp(col, COLS - 1);
    t->wrap_next = false;
}

static void put(struct terminal *t, uint8_t c)
{
    if (t->wrap_next) {
        t->col = 0;
        t->wrap_next = false;
        line_feed(t);
    }
    uint8_t color = t->fg;
    if (color == FG_DEFAULT) {
        color = c == ' ' ? 0 : COLOR_PLAIN;
    }
    color =
        (uint8_t)(color + (t->bold ? ADD_BOLD : 0) + (t->reverse ? ADD_REVERSE : 0));
    t->chars[t->row][t->col] = c;
    t->colors[t->row][t->col] = color;
    if (t->col == COLS - 1) {
        t->wrap_next = true;
    } else {
        t->col++;
    }
}

static void control(struct terminal *t, uint8_t c)
{
    switch (c) {
    case '\n': // there is no line discipline between us that would add the \r
        t->col = 0;
        t->wrap_next = false;
        line_feed(t);
        break;
    case '\r':
        t->col = 0;
        t->wrap_next = false;
        break;
    case '\b':
        t->col = (int16_t)(t->col > 0 ? t->col - 1 : 0);
        t->wrap_next = false;
        break;
    case '\t':
        move_to(t, t->row, (t->col / 8 + 1) * 8);
        break;
    default: // bell, shift in and out, NUL padding
        break;
    }
}

static void select_graphics(struct terminal *t)
{
    const int n = t->arg_count > 0 ? t->arg_count : 1;

    for (int i = 0; i < n; i++) {
        const int a = t->args[i];
        if (a == 0) {
            t->fg = FG_DEFAULT;
            t->bold = false;
            t->reverse = false;
        } else if (a == 1) {
            t->bold = true;
        } else if (a == 22) {
            t->bold = false;
        } else if (a == 7) {
            t->reverse = true;
        } else if (a == 27) {
            t->reverse = false;
        } else if (a >= 30 && a <= 37) {
            t->fg = (uint8_t)(a - 30);
        } else if (a >= 90 && a <= 97) {
            t->fg = (uint8_t)(a - 90);
            t->bold = true;
        } else if (a == 39) {
            t->fg = FG_DEFAULT;
        }
    }
}

static void erase_display(struct terminal *t, int how)
{
    const int at = t->row * COLS + t->col;

    if (how == 0) {
        blank(t, at, ROWS * COLS);
    } else if (how == 1) {
        blank(t, 0, at + 1);
    } else {
        blank(t, 0, ROWS * COLS);
    }
}

static void erase_line(struct terminal *t, int how)
{
    const int row = t->row * COLS;

    if (how == 0) {
        blank(t, row + t->col, row + COLS);
    } else if (how == 1) {
        blank(t, row, row + t->col + 1);
    } else {
        blank(t, row, row + COLS);
    }
}

static void sequence(struct terminal *t, uint8_t final)
{
    const int a = t->args[0];
    const int n = a > 0 ? a : 1; // movement counts default to 1
    const int b = t->arg_count > 1 && t->args[1] > 0 ? t->args[1] : 1;

    if (t->private_mark) {
        return; // modes: keypad, alternate screen, blinking
    }
    switch (final) {
    case 'A':
        move_to(t, t->row - n, t->col);
        break;
    case 'B':
        move_to(t, t->row + n, t->col);
        break;
    case 'C':
        move_to(t, t->row, t->col + n);
        break;
    case 'D':
        move_to(t, t->row, t->col - n);
        break;
    case 'G':
        move_to(t, t->row, n - 1);
        break;
    case 'd':
        move_to(t, n - 1, t->col);
        break;
    case 'H':
    case 'f':
        move_to(t, n - 1, b - 1);
        break;
    case 'J':
        erase_display(t, a);
        break;
    case 'K':
        erase_line(t, a);
        break;
    case 'm':
        select_graphics(t);
        break;
    default: // window operations, modes, margins: nothing that draws
        break;
    }
}

static void sequence_byte(struct terminal *t, uint8_t c)
{
    if (c >= '0' && c <= '9') {
        if (t->arg_count == 0) {
            t->arg_count = 1;
        }
        uint16_t *arg = &t->args[t->arg_count - 1];
        *arg = (uint16_t)(*arg > 999 ? 9999 : *arg * 10 + (c - '0'));
    } else if (c == ';') {
        if (t->arg_count == 0) {
            t->arg_count = 1;
        }
        if (t->arg_count < TERMINAL_ARGS) {
            t->arg_count++;
        }
    } else if (c >= '<' && c <= '?') {
        t->private_mark = true;
    } else if (c >= 0x40 && c <= 0x7e) {
        t->state = IN_TEXT;
        sequence(t, c);
    } else if (c < 0x20) {
        control(t, c); // xterm obeys controls inside a sequence
    }
}

static void escape_byte(struct terminal *t, uint8_t c)
{
    t->state = IN_TEXT;
    switch (c) {
    case '[':
        t->state = IN_CSI;
        t->private_mark = false;
        t->arg_count = 0;
        memset(t->args, 0, sizeof(t->args));
        break;
    case '(':
    case ')':
        t->state = IN_CHARSET;
        break;
    case ']':
        t->state = IN_STRING;
        break;
    case 'M':
        t->row = (int16_t)(t->row > 0 ? t->row - 1 : 0);
        break;
    default: // keypad modes, save and restore
        break;
    }
}

static void other_byte(struct terminal *t, uint8_t c)
{
    switch (t->state) {
    case IN_ESC:
        escape_byte(t, c);
        break;
    case IN_CSI:
        sequence_byte(t, c);
        break;
    case IN_STRING: // a title, up to BEL or ESC backslash
        t->state = c == 7 ? IN_TEXT : c == 0x1b ? IN_STRING_ESC : IN_STRING;
        break;
    default: // the letter of a character set, or the end of a string
        t->state = IN_TEXT;
        break;
    }
}

void terminal_write(struct terminal *t, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++) {
        const uint8_t c = b[i];
        if (t->state != IN_TEXT) {
            other_byte(t, c);
        } else if (c >= 0x20 && c != 0x7f) {
            put(t, c);
        } else if (c == 0x1b) {
            t->state = IN_ESC;
        } else {
            control(t, c);
        }
    }
}
