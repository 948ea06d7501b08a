#include "support/shared_data.h"

#include <stdio.h>

#include "support/test.h"

char *shared_file(const char *name, size_t *length)
{
    const char *shared = getenv("ATTENTIOND_SHARED");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", shared ? shared : "../shared", name);

    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("skipped: there is no %s\n", path);
        return NULL;
    }
    ck_assert(fseek(file, 0, SEEK_END) == 0);
    long end = ftell(file);
    ck_assert(end >= 0 && fseek(file, 0, SEEK_SET) == 0);
    *length = (size_t)end;
    char *bytes = malloc(*length + 1);
    ck_assert(fread(bytes, 1, *length, file) == *length);
    fclose(file);
    return bytes;
}

json_t *shared_json(const char *name)
{
    size_t length;
    char *bytes = shared_file(name, &length);
    if (!bytes)
        return NULL;

    json_error_t e;
    json_t *json = json_loadb(bytes, length, JSON_DECODE_INT_AS_REAL, &e);
    ck_assert_msg(json != NULL, "%s: %s", name, e.text);
    free(bytes);
    return json;
}

static size_t count_leaves(const json_t *nested)
{
    if (!json_is_array(nested))
        return 1;

    size_t count = 0, i;
    json_t *item;
    json_array_foreach(nested, i, item) count += count_leaves(item);
    return count;
}

static float leaf(const json_t *json)
{
    const char *text = json_string_value(json);
    if (!text)
        return json_is_true(json) ? 1 : (float)json_number_value(json);
    return strcmp(text, "NaN") == 0 ? NAN : *text == '-' ? -INFINITY : INFINITY;
}

static float *copy_leaves(const json_t *nested, float *out)
{
    if (!json_is_array(nested)) {
        *out = leaf(nested);
        return out + 1;
    }
    size_t i;
    json_t *item;
    json_array_foreach(nested, i, item) out = copy_leaves(item, out);
    return out;
}

float *shared_numbers(const json_t *nested, size_t *count)
{
    *count = count_leaves(nested);
    float *out = malloc(*count * sizeof *out);
    copy_leaves(nested, out);
    return out;
}
