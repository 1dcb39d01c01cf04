#ifndef ACTOR_ENVS_NETHACK_TERMINAL_H
#define ACTOR_ENVS_NETHACK_TERMINAL_H
/* The screen that a stream of bytes for TERM=xterm draws, 24x80: what NetHack's tty
 * window port sends, and no more. Lives in the page that game and driver share, so it
 * holds no pointers. One thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERMINAL_ROWS = 24, TERMINAL_COLS = 80, TERMINAL_ARGS = 8 };

/* Colours as in env.h: 0..7 the terminal's, +8 bold, +16 reverse video. The default
 * foreground is 7 on a character and 0 on a blank, as NLE has it. */
struct terminal {
    uint8_t chars[TERMINAL_ROWS][TERMINAL_COLS];
    uint8_t colors[TERMINAL_ROWS][TERMINAL_COLS];
    int16_t row, col; // the cursor
    bool wrap_next;   // xterm wraps when the NEXT character comes
    uint8_t fg;       // 0..7; 8 = default
    bool bold, reverse;
    // The escape sequence that a write may have cut.
    uint8_t state;
    bool private_mark;
    uint8_t arg_count;
    uint16_t args[TERMINAL_ARGS];
};

/* Blank, cursor at home. */
void terminal_init(struct terminal *t);
/* Any bytes are safe; what is not understood is left out. */
void terminal_write(struct terminal *t, const void *bytes, size_t len);

#endif
