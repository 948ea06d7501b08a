/* Without weights nothing of an answer comes out of OpenBLAS: so its bits do not
 * depend on the processor that OpenBLAS takes this machine for, which it decides when
 * it is loaded. The program starts itself for each kind of processor, and the one that
 * was started writes its numbers instead of testing. */
#include <stdio.h>
#include <unistd.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "property/operator_random.h"
#include "property/settings.h"

static const char bytes_to[] = "ATTENTIOND_TEST_BYTES_TO";

/* The outputs and maps of many requests. */
static void write_bytes(FILE *file)
{
    for (size_t n = 0; n < 300; n++) {
        struct test_random r = property_random(1, n);
        struct error e = {0};
        struct arena arena;
        arena_init(&arena, (size_t)1 << 28, NULL);
        struct attention_input in = random_operator(&r, 2, 30, &arena);
        in.maps = in.maps == MAPS_HEADS ? MAPS_HEADS : MAPS_NONE;
        struct multi_head *m = in.weights.given
                                   ? NULL
                                   : multi_head_plan(&in, &property_limits, &arena, &e);
        if (m) {
            ck_assert(multi_head_run_all(m, &arena, &e));
            const struct multi_head_result *got = multi_head_result(m);
            const struct sequence_result *s = got->sequence;
            fwrite(s->output, sizeof(float), s->T * got->H * got->dv, file);
            if (s->maps)
                fwrite(s->maps, sizeof(float), got->map_heads * s->T * s->S, file);
        }
        arena_free(&arena);
    }
}

/* Fills `bytes` with what this program computes as that processor. */
static size_t computed_as(const char *processor, char *bytes, size_t room)
{
    char path[] = "/tmp/attentiond_test_XXXXXX", command[256];
    int fd = mkstemp(path);
    ck_assert(fd >= 0);
    snprintf(command, sizeof command, "%s%s %s=%s /proc/%d/exe >/dev/null",
             *processor ? "OPENBLAS_CORETYPE=" : "", processor, bytes_to, path,
             (int)getpid());
    int status = system(command); /* our own words, nothing from outside */
    FILE *file = fdopen(fd, "rb");
    size_t length = fread(bytes, 1, room, file);
    fclose(file);
    unlink(path);
    ck_assert_msg(status == 0 && length > 0 && length < room,
                  "%s: status %d, %zu bytes", processor, status, length);
    return length;
}

START_TEST(without_weights_the_bits_do_not_depend_on_the_processor_of_openblas)
{
    static const char *const processors[] = {"Haswell", "Nehalem", "Prescott"};
    enum { ROOM = 8 << 20 };
    struct error e = {0};
    ck_assert(blas_init(&e));
    const char *path = getenv(bytes_to);
    if (path) {
        FILE *file = fopen(path, "wb");
        ck_assert(file != NULL);
        write_bytes(file);
        ck_assert(fclose(file) == 0);
        return;
    }
    char *as_it_is = malloc(ROOM), *other = malloc(ROOM);
    size_t length = computed_as("", as_it_is, ROOM);
    for (size_t n = 0; n < sizeof processors / sizeof *processors; n++) {
        ck_assert_uint_eq(computed_as(processors[n], other, ROOM), length);
        ck_assert_msg(memcmp(as_it_is, other, length) == 0, "other bits as %s",
                      processors[n]);
    }
    free(as_it_is);
    free(other);
}
END_TEST

TEST_PROGRAM("processor",
             without_weights_the_bits_do_not_depend_on_the_processor_of_openblas)
