#include "codec/json_document.h"

#include <math.h>
#include <string.h>

#include "codec/utf8.h"

/* Nothing here needs more; what 17 digits add to a time is noise. */
enum { DIGITS = 15 };

static const char replacement[] = "\xEF\xBF\xBD";

static json_t *repaired_text(const char *text)
{
    size_t length = strlen(text);
    struct buffer repaired;
    buffer_init(&repaired, 3 * length + 1); /* every byte may become three */

    for (size_t i = 0; i < length;) {
        uint32_t character = 0;
        size_t taken = utf8_read(text + i, length - i, &character);
        if (character == UTF8_REPLACEMENT)
            buffer_text(&repaired, replacement);
        else
            buffer_append(&repaired, text + i, taken);
        i += taken;
    }

    json_t *string = repaired.failed
                         ? NULL
                         : json_stringn(length ? repaired.data : "", repaired.length);
    buffer_free(&repaired);
    return string;
}

json_t *json_document_text(const char *text)
{
    json_t *sound = json_string(text); /* NULL when it is not UTF-8 */
    return sound ? sound : repaired_text(text);
}

json_t *json_document_ms(double milliseconds)
{
    return json_real(round(milliseconds * 1e3) / 1e3);
}

static int append(const char *bytes, size_t length, void *out)
{
    buffer_append(out, bytes, length);
    return 0;
}

void json_document_write(json_t *document, struct buffer *out)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(DIGITS);
    if (json_dump_callback(document, append, out, flags) != 0)
        out->failed = true;
    json_decref(document);
}
