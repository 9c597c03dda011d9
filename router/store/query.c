#include "router/store/query.h"

#include <stdlib.h>

#include "proto/base/memory.h"

struct store_page *store_page_new(const struct store_query *query)
{
    struct store_page *page = memory_allocate_zeroed(sizeof(*page));

    page->token = query->token;
    page->type = query->type;
    arena_init(&page->arena);
    return page;
}

void store_page_destroy(struct store_page **page)
{
    if (*page == NULL) {
        return;
    }
    arena_deinit(&(*page)->arena);
    free(*page);
    *page = NULL;
}
