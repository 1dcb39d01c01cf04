#include "judge/endpoint.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"

bool endpoint_read(const struct judge_options *o, char out[BUS_ENDPOINT_MAX])
{
    char path[PATH_MAX_], *text;
    size_t len;

    if (o->learner[0] != '\0') {
        return text_format(out, BUS_ENDPOINT_MAX, "%s", o->learner);
    }
    if (!text_format(path, sizeof(path), "%s/address", o->run_dir) ||
        !file_exists(path) || file_read(path, 4096, &text, &len) != ST_OK) {
        return false;
    }
    const bool ok =
        text_format(out, BUS_ENDPOINT_MAX, "%s", text_trim(text)) && out[0] != '\0';
    mem_free(text);
    return ok;
}
