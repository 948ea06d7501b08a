#include "http/handlers.h"
#include "http/reply.h"

void handle_info(struct exchange *x)
{
    enum { INFO_LIMIT = 64 * 1024 };
    struct buffer document;
    buffer_init(&document, INFO_LIMIT);
    info_document_write(&exchange_site(x)->info, &document);
    reply_buffer(x, "application/json", &document);
}
