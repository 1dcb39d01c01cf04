#include "common/wire/messages.h"

const char *verdict_kind_name(enum verdict_kind k)
{
    static const char *const names[VERDICT_KINDS] = {
        "none",        "label",   "tie",     "abstain",
        "unparseable", "timeout", "refused", "overload"};

    return (unsigned)k < VERDICT_KINDS ? names[k] : "unknown";
}
