/*
 * Fuzzes the state of a session that moves: what is read and written again is read the same.
 */
#include <stdint.h>

#include "edge/session/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct handover handover, again;
    struct buffer once = BUFFER_EMPTY, twice = BUFFER_EMPTY;
    if (handover_read((struct slice){(const char *)data, size}, &handover) == 0) {
        handover_write(&handover, &once);
        if (handover_read(buffer_slice(&once), &again) != 0) {
            __builtin_trap();
        }
        handover_write(&again, &twice);
        if (!slice_equals(buffer_slice(&once), buffer_slice(&twice))) {
            __builtin_trap();
        }
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
    return 0;
}
