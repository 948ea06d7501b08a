/* peer_yyjson FILE COUNT - yyjson's tree of a matrix, and its numbers as float32; and
 * written from a tree that is there already. See bench_codec.c. */
#include <yyjson.h>

#include "bench/peer.h"

static yyjson_doc *tree;
static float *numbers;

static int read_matrix(const struct peer_text *t)
{
    yyjson_doc *doc = yyjson_read(t->bytes, t->length, 0);
    if (!doc)
        return 0;
    size_t i, rows, j, width, at = 0;
    yyjson_val *row, *x;
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, rows, row)
        yyjson_arr_foreach(row, j, width, x) numbers[at++] = (float)yyjson_get_num(x);
    yyjson_doc_free(doc);
    return 1;
}

static int write_matrix(const struct peer_text *t)
{
    (void)t;
    size_t length;
#if defined YYJSON_WRITE_FP_TO_FLOAT
    char *text = yyjson_write(tree, YYJSON_WRITE_FP_TO_FLOAT, &length);
#else
    char *text = yyjson_write(tree, 0, &length);
#endif
    free(text);
    return text != NULL;
}

int main(int count, char **argument)
{
    struct peer_text t = peer_text_read(count, argument);
    numbers = calloc((size_t)t.count, sizeof *numbers);
    tree = yyjson_read(t.bytes, t.length, 0);
    if (!numbers || !tree)
        return EXIT_FAILURE;
    peer_measure("read", &t, read_matrix);
    peer_measure("write", &t, write_matrix);
    yyjson_doc_free(tree);
    free(numbers);
    free(t.bytes);
    return EXIT_SUCCESS;
}
