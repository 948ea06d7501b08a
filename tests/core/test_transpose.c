#include "core/transpose.h"

#include "support/test.h"

START_TEST(rows_become_columns_and_nothing_else_is_written)
{
    enum { MOST = 21, GAP = 3, STRIDE = MOST + GAP };
    float from[MOST * STRIDE], to[MOST * STRIDE];
    for (size_t n = 0; n < MOST * STRIDE; n++)
        from[n] = (float)n;
    for (size_t rows = 1; rows <= MOST; rows++)
        for (size_t columns = 1; columns <= MOST; columns++) {
            memset(to, 0xFF, sizeof to); /* NaN */
            transpose(to, rows + GAP, from, STRIDE, rows, columns);
            for (size_t n = 0; n < MOST * STRIDE; n++) {
                size_t c = n / (rows + GAP), r = n % (rows + GAP);
                if (r < rows && c < columns)
                    ck_assert(to[n] == from[r * STRIDE + c]);
                else
                    ck_assert(isnan(to[n]));
            }
        }
}
END_TEST

TEST_PROGRAM("transpose", rows_become_columns_and_nothing_else_is_written)
