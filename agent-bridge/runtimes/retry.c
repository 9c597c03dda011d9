#include "agent-bridge/runtimes/retry.h"

#include "proto/base/error.h"

int64_t retry_pause(unsigned tries, unsigned tries_max, int64_t retry_after, uint64_t random)
{
    int64_t pause = RETRY_PAUSE_MS;
    if (tries >= tries_max || retry_after > RETRY_AFTER_MAX_MS) {
        return -1;
    }
    for (unsigned i = 1; i < tries && pause < RETRY_PAUSE_MAX_MS; i++) {
        pause *= 2;
    }
    if (pause > RETRY_PAUSE_MAX_MS) {
        pause = RETRY_PAUSE_MAX_MS;
    }
    int64_t half = pause / 2;
    if (retry_after >= 0) {
        return retry_after + (int64_t)(random % (uint64_t)half);
    }
    return half + (int64_t)(random % (uint64_t)half);
}

bool retry_may_help(int error, int status)
{
    switch (error) {
    case 0:
        return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
               status == 504;
    case ERROR_AGENT_UNREACHABLE:
    case ERROR_TIMEOUT:
    case ERROR_CLOSED:
        return true;
    default:
        return false;
    }
}

int retry_error_of_status(int status)
{
    switch (status) {
    case 408:
    case 504:
        return ERROR_TIMEOUT;
    case 429:
    case 503:
        return ERROR_AGENT_BUSY;
    default:
        return status >= 500 ? ERROR_AGENT_FAILED : ERROR_AGENT_REFUSED;
    }
}
