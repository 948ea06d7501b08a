#include <stdint.h>

#include "http/handlers.h"
#include "http/reply.h"

/* The pages are part of the binary; the paths are seen from the project's folder. */
__asm__(".section .rodata\n"
        "openapi_yaml: .incbin \"openapi/openapi.yaml\"\n"
        "openapi_yaml_end:\n"
        "openapi_json: .incbin \"openapi/openapi.json\"\n"
        "openapi_json_end:\n"
        ".previous\n");
extern const char openapi_yaml[], openapi_yaml_end[], openapi_json[],
    openapi_json_end[];

static void answer(struct exchange *x, const char *type, const char *page,
                   const char *end)
{
    reply_static(x, type, page, (size_t)((uintptr_t)end - (uintptr_t)page));
}

void handle_openapi_yaml(struct exchange *x)
{
    answer(x, "application/yaml", openapi_yaml, openapi_yaml_end);
}

void handle_openapi_json(struct exchange *x)
{
    answer(x, "application/json", openapi_json, openapi_json_end);
}
