#include "proto/bus/list.h"

#include "proto/bus/codec.h"
#include "proto/bus/layout.h"

void bus_list_add(struct bus_list_builder *builder, enum bus_element kind, const void *element)
{
    const struct layout *layout = bus_element_layout(kind);
    msgpack_write_array(&builder->bytes, layout->count);
    bus_write_fields(&builder->bytes, layout, element);
    builder->count++;
}

struct msgpack_reader bus_list_read(const struct bus_list *list)
{
    return msgpack_reader_of(list->elements);
}

bool bus_list_next(struct msgpack_reader *reader, enum bus_element kind, void *element)
{
    const struct layout *layout = bus_element_layout(kind);
    uint32_t count;
    if (reader->at == reader->end && !reader->failed) {
        return false; /* the end of an accepted list */
    }
    return msgpack_read_array(reader, &count) && count == layout->count &&
           bus_read_fields(reader, layout, element);
}
