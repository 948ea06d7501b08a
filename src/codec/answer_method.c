#include "codec/answer_method.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/number_list.h"
#include "codec/rule_names.h"
#include "core/approximations.h"

enum { METHOD_BYTES = 320 }; /* a name, four parameters and the words of the error */

size_t answer_method_bound(const struct multi_head_result *result)
{
    size_t errors = result->compared ? 2 * result->B * NUMBER_LIST_EACH : 0;
    return result->method == METHOD_EXACT ? 0 : METHOD_BYTES + errors;
}

static int write_parameters(const struct method_input *m, char *out)
{
    switch (m->name) {
    case METHOD_EXACT: break; /* of which nothing is said; GCOVR_EXCL_LINE */
    case METHOD_LINFORMER:
        if (m->e.rank)
            return sprintf(out, ",\"rank\":%zu", m->e.extent[0]);
        return sprintf(out, ",\"rank\":%zu,\"seed\":%" PRIu64, m->rank, m->seed);
    case METHOD_NYSTROM: return sprintf(out, ",\"landmarks\":%zu", m->landmarks);
    case METHOD_PERFORMER:
        return sprintf(out, ",\"features\":%zu,\"seed\":%" PRIu64, m->features,
                       m->seed);
    case METHOD_LINEAR: return sprintf(out, ",\"rule\":\"%s\"", rule_names[m->rule]);
    case METHOD_TOP_K: return sprintf(out, ",\"k\":%zu", m->k);
    case METHOD_BLOCK_SPARSE:
        return sprintf(out, ",\"block\":%zu,\"blocks\":%zu", m->block,
                       m->layout_column_count);
    case METHOD_LONGFORMER:
        return sprintf(out, ",\"window\":%zu,\"global\":%zu", m->window,
                       m->global_count);
    case METHOD_BIGBIRD:
        return sprintf(out,
                       ",\"block\":%zu,\"global\":%zu,\"random\":%zu,\"seed\":%" PRIu64,
                       m->block, m->global_count, m->random, m->seed);
    }
    return 0; /* GCOVR_EXCL_LINE */
}

/* A number a sequence, at `offset` in its result. */
static char *write_errors(const char *name, const struct multi_head_result *m,
                          size_t offset, unsigned precision, char *out)
{
    out += sprintf(out, "\"%s\":%s", name, m->single ? "" : "[");
    for (size_t b = 0; b < m->B; b++) {
        float error;
        memcpy(&error, (const char *)&m->sequence[b] + offset, sizeof error);
        if (b > 0)
            *out++ = ',';
        out = number_list_write(&error, 1, precision, out);
    }
    if (!m->single)
        *out++ = ']';
    return out;
}

char *answer_method_write(const struct attention_request *request,
                          const struct multi_head_result *result, char *out)
{
    if (result->method == METHOD_EXACT)
        return out;

    out += sprintf(out, ",\"method\":{\"name\":\"%s\"",
                   approximations_name(result->method));
    out += write_parameters(&request->input.method, out);
    if (result->compared) {
        out += sprintf(out, ",\"error\":{");
        out =
            write_errors("max", result, offsetof(struct sequence_result, error_maximum),
                         request->precision, out);
        *out++ = ',';
        out = write_errors("mean", result, offsetof(struct sequence_result, error_mean),
                           request->precision, out);
        *out++ = '}';
    }
    *out++ = '}';
    return out;
}
