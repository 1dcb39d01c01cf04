#include "launch/jsonline.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

/* Where the value of "key" begins, or NULL. */
static const char *value_of(const char *json, const char *key)
{
    char quoted[128];

    if (!text_format(quoted, sizeof(quoted), "\"%s\"", key)) {
        return NULL;
    }
    for (const char *at = strstr(json, quoted); at != NULL; at = strstr(at, quoted)) {
        at += strlen(quoted);
        const char *colon = at + strspn(at, " \t\n");
        if (*colon == ':') {
            return colon + 1 + strspn(colon + 1, " \t\n");
        }
    }
    return NULL;
}

bool jsonline_number(const char *json, const char *key, double *out)
{
    const char *value = value_of(json, key);
    char *end;

    if (value == NULL) {
        return false;
    }
    const double number = strtod(value, &end);
    if (end == value) {
        return false;
    }
    *out = number;
    return true;
}

bool jsonline_text(const char *json, const char *key, char *out, size_t size)
{
    const char *value = value_of(json, key);
    size_t len = 0;

    if (value == NULL || *value != '"') {
        return false;
    }
    for (value++; *value != '"' && *value != '\0' && len + 1 < size; value++) {
        if (*value == '\\' && value[1] != '\0' && len + 2 < size) {
            out[len++] = *value++;
        }
        out[len++] = *value;
    }
    out[len] = '\0';
    return true;
}
