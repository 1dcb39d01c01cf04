#include "common/base/status.h"

const char *status_name(enum status st)
{
    switch (st) {
    case ST_OK:
        return "ok";
    case ST_AGAIN:
        return "nothing now";
    case ST_CLOSED:
        return "closed";
    case ST_TIMEOUT:
        return "timed out";
    case ST_NOTFOUND:
        return "not found";
    case ST_FULL:
        return "full";
    case ST_INVALID:
        return "not allowed";
    case ST_CORRUPT:
        return "corrupt";
    case ST_VERSION:
        return "another version";
    case ST_IO:
        return "refused by the system";
    }
    return "unknown status"; // a byte from outside may have been cast
}
