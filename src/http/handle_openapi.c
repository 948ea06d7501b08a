#include "http/handlers.h"
#include "http/reply.h"

/* The pages are part of the binary; the paths are seen from the project's folder. */
#define EMBED(name, file)                                                   \
    __asm__(".section .rodata\n.global " #name "\n" #name ":\n"             \
            ".incbin \"" file "\"\n.global " #name "_end\n" #name "_end:\n" \
            ".previous\n");                                                 \
    extern const char name[], name##_end[]

EMBED(openapi_yaml, "openapi/openapi.yaml");
EMBED(openapi_json, "openapi/openapi.json");

void handle_openapi_yaml(struct exchange *x)
{
    reply_static(x, "application/yaml", openapi_yaml,
                 (size_t)(openapi_yaml_end - openapi_yaml));
}

void handle_openapi_json(struct exchange *x)
{
    reply_static(x, "application/json", openapi_json,
                 (size_t)(openapi_json_end - openapi_json));
}
