#include "actor/envs/overrides.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/text.h"

enum { PAIR_MAX = 128, ROWS_MAX = 48 };

static int32_t *field_of(const struct override_row *row, void *constants)
{
    return (int32_t *)(void *)((char *)constants + row->offset);
}

static enum status bad_value(const char *task, const struct override_row *row,
                             const char *value)
{
    if (row->pair) {
        LOG_ERROR("ENV-OPTION",
                  "%s: %s wants two whole numbers from %d to %d as AxB, got '%s'", task,
                  row->name, (int)row->least, (int)row->most, value);
    } else {
        LOG_ERROR("ENV-OPTION", "%s: %s wants a whole number from %d to %d, got '%s'",
                  task, row->name, (int)row->least, (int)row->most, value);
    }
    return ST_INVALID;
}

static enum status set_one(const char *task, const struct override_row *row,
                           char *value, void *constants)
{
    int32_t *field = field_of(row, constants);
    int64_t a = 0;
    int64_t b = 0;

    if (!row->pair) {
        if (!text_to_i64(value, row->least, row->most, &a)) {
            return bad_value(task, row, value);
        }
        field[0] = (int32_t)a;
        return ST_OK;
    }
    char *cross = strchr(value, 'x');
    if (cross == NULL) {
        return bad_value(task, row, value);
    }
    *cross = '\0';
    bool good = text_to_i64(value, row->least, row->most, &a) &&
                text_to_i64(cross + 1, row->least, row->most, &b);
    *cross = 'x';
    if (!good) {
        return bad_value(task, row, value);
    }
    field[0] = (int32_t)a;
    field[1] = (int32_t)b;
    return ST_OK;
}

static enum status unknown(const char *task, const char *name,
                           const struct override_row *rows, int count)
{
    const char *names[ROWS_MAX];
    int known = count < ROWS_MAX ? count : ROWS_MAX;

    for (int i = 0; i < known; i++) {
        names[i] = rows[i].name;
    }
    const char *near = text_nearest(name, names, known);
    if (near == NULL) {
        near = names[0];
    }
    LOG_ERROR("ENV-OPTION", "%s has no constant '%s', did you mean '%s'?", task, name,
              near);
    return ST_INVALID;
}

static enum status apply_item(const char *task, char *item,
                              const struct override_row *rows, int count,
                              void *constants)
{
    char *equals = strchr(item, '=');

    if (equals == NULL) {
        LOG_ERROR("ENV-OPTION", "%s: a constant is given as NAME=VALUE, got '%s'", task,
                  item);
        return ST_INVALID;
    }
    *equals = '\0';
    char *name = text_trim(item);
    char *value = text_trim(equals + 1);
    for (int i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return set_one(task, &rows[i], value, constants);
        }
    }
    return unknown(task, name, rows, count);
}

enum status overrides_apply(const char *task, const char *text,
                            const struct override_row *rows, int count, void *constants)
{
    while (*text != '\0') {
        char item[PAIR_MAX];
        size_t len = strcspn(text, ",");

        if (len >= sizeof(item)) {
            LOG_ERROR("ENV-OPTION", "%s: '%.40s...' is too long for one constant", task,
                      text);
            return ST_INVALID;
        }
        memcpy(item, text, len);
        item[len] = '\0';
        TRY(apply_item(task, item, rows, count, constants));
        text += len;
        if (*text == ',') {
            text++;
        }
    }
    return ST_OK;
}
