// A matrix from JSON to float32 and back by the readers and writers that C++ has:
//
//   json_peers FILE      the matrix; a line "name nanoseconds" a number for each
//
// Each reader ends with the numbers in an array of float, as ours does. One thread; the
// best of several runs. simdjson and yyjson are measured when they were there to build.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>
#ifdef WITH_SIMDJSON
#include <simdjson.h>
#endif
#ifdef WITH_YYJSON
#include <yyjson.h>
#endif

static std::string text;
static std::vector<float> numbers; // what was read

static void fail(const char *what)
{
    std::fprintf(stderr, "json_peers: %s\n", what);
    std::exit(EXIT_FAILURE);
}

static void measure(const char *name, const std::function<void()> &work)
{
    using clock = std::chrono::steady_clock;
    double best = 1e30;
    auto begin = clock::now();
    for (int n = 0;
         n < 5 || (n < 100 && clock::now() - begin < std::chrono::milliseconds(300));
         n++) {
        auto start = clock::now();
        work();
        best = std::min(
            best,
            std::chrono::duration<double, std::nano>(clock::now() - start).count());
    }
    std::printf("%s %.2f\n", name, best / double(numbers.size()));
}

// No JSON reader: steps from number to number, the least that can be done.
static void read_from_chars()
{
    const char *at = text.data(), *end = at + text.size();
    numbers.clear();
    while (at < end) {
        float x;
        auto [next, error] = std::from_chars(at, end, x);
        if (error == std::errc())
            numbers.push_back(x);
        at = error == std::errc() ? next : at + 1;
    }
}

static void write_to_chars()
{
    static std::vector<char> out(text.size() * 2 + numbers.size() * 16);
    char *at = out.data(), *end = at + out.size();
    for (float x : numbers) {
        at = std::to_chars(at, end, x).ptr;
        *at++ = ',';
    }
}

#ifdef WITH_SIMDJSON
static void read_simdjson()
{
    static simdjson::dom::parser parser;
    static simdjson::padded_string padded(text);
    numbers.clear();
    for (simdjson::dom::element row : parser.parse(padded).get_array())
        for (double x : simdjson::dom::array(row))
            numbers.push_back(float(x));
}
#endif

#ifdef WITH_YYJSON
static void read_yyjson()
{
    yyjson_doc *doc = yyjson_read(text.data(), text.size(), 0);
    if (!doc)
        fail("yyjson refuses the matrix");
    numbers.clear();
    size_t i, j, rows, columns;
    yyjson_val *row, *x;
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, rows, row)
    {
        yyjson_arr_foreach(row, j, columns, x)
            numbers.push_back(float(yyjson_get_num(x)));
    }
    yyjson_doc_free(doc);
}

static yyjson_mut_doc *yyjson_tree()
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(nullptr);
    yyjson_mut_val *all = yyjson_mut_arr(doc);
    for (float x : numbers)
        yyjson_mut_arr_add_val(all, yyjson_mut_real(doc, double(x)));
    yyjson_mut_doc_set_root(doc, all);
    return doc;
}

// Shortest float32 where this version can, and the tree is not counted.
static void write_yyjson(const yyjson_mut_doc *doc)
{
#ifdef YYJSON_WRITE_FP_TO_FLOAT
    const yyjson_write_flag flags = YYJSON_WRITE_FP_TO_FLOAT;
#else
    const yyjson_write_flag flags = 0;
#endif
    char *out = yyjson_mut_write(doc, flags, nullptr);
    if (!out)
        fail("yyjson writes nothing");
    std::free(out);
}
#endif

int main(int count, char **arguments)
{
    std::ifstream file(count == 2 ? arguments[1] : "", std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
    read_from_chars();
    if (numbers.empty())
        fail("no numbers in the file");

    measure("read from_chars", read_from_chars);
    measure("write to_chars", write_to_chars);
#ifdef WITH_SIMDJSON
    measure("read simdjson", read_simdjson);
#endif
#ifdef WITH_YYJSON
    measure("read yyjson", read_yyjson);
    yyjson_mut_doc *doc = yyjson_tree();
    measure("write yyjson", [doc] { write_yyjson(doc); });
    yyjson_mut_doc_free(doc);
#endif
    return EXIT_SUCCESS;
}
