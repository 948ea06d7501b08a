/* peer_simdjson FILE COUNT - simdjson's tree of a matrix, and its numbers taken out as
 * float32. It writes no numbers. See bench_codec.c. */
#include <simdjson.h>
#include <vector>

#include "bench/peer.h"

static simdjson::dom::parser parser;
static std::vector<float> numbers;

static int read_matrix(const struct peer_text *t)
{
    simdjson::dom::array rows;
    if (parser.parse(t->bytes, t->length, false).get(rows))
        return 0;
    numbers.clear();
    for (simdjson::dom::element row : rows)
        for (simdjson::dom::element x : row)
            numbers.push_back(static_cast<float>(x.get<double>().value_unsafe()));
    return 1;
}

int main(int count, char **argument)
{
    struct peer_text t = peer_text_read(count, argument);
    peer_measure("read", &t, read_matrix);
    free(t.bytes);
}
