#include "core/alibi.h"
#include "support/test.h"

START_TEST(slopes_are_those_of_the_paper_for_every_number_of_heads)
{
    const struct {
        size_t H;
        double powers[12]; /* slope h is 2^-powers[h] */
    } rows[] = {
        {1, {8}},
        {2, {4, 8}},
        {3, {4, 8, 2}},
        {4, {2, 4, 6, 8}},
        {6, {2, 4, 6, 8, 1, 3}},
        {8, {1, 2, 3, 4, 5, 6, 7, 8}},
        {12, {1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float got[13];
        got[rows[i].H] = -1; /* nothing is written beyond the last head */
        alibi_slopes(rows[i].H, got);
        for (size_t h = 0; h < rows[i].H; h++)
            ck_assert_close(got[h], pow(2, -rows[i].powers[h]), 1e-7, 0);
        ck_assert(got[rows[i].H] == -1);
    }
}
END_TEST

TEST_PROGRAM("alibi", slopes_are_those_of_the_paper_for_every_number_of_heads)
