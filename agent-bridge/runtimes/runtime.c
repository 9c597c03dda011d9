#include "agent-bridge/runtimes/runtime.h"

static const struct runtime_class *const classes[] = {
#define X(name) &runtime_##name,
    RUNTIME_TABLE(X)
#undef X
};

const struct runtime_class *runtime_class_at(size_t index)
{
    return index < sizeof(classes) / sizeof(classes[0]) ? classes[index] : NULL;
}

const struct runtime_class *runtime_class_find(struct slice name)
{
    const struct runtime_class *class;

    for (size_t i = 0; (class = runtime_class_at(i)) != NULL; i++) {
        if (slice_is(name, class->name)) {
            return class;
        }
    }
    return NULL;
}

void runtime_destroy(struct runtime **runtime)
{
    if (*runtime == NULL) {
        return;
    }
    (*runtime)->class->destroy(*runtime);
    *runtime = NULL;
}
