#include "base/spelling.h"

#include <string.h>

#include "base/size.h"

enum { LONGEST = 64 };

/* Optimal string alignment: row i holds the distances of a's first i bytes to
 * every beginning of b. Two rows back are kept for the swap of neighbours. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;

    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t differs = a[i - 1] != b[j - 1];
            now[j] = size_least(size_least(above[j], now[j - 1]) + 1,
                                above[j - 1] + differs);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = size_least(now[j], two[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *spelling_nearest(const char *word, const char *const *names, size_t count)
{
    size_t n = strlen(word);
    if (n == 0 || n > LONGEST)
        return NULL;

    size_t best = n / 3 > 1 ? n / 3 : 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t m = strlen(names[i]);
        if (m > LONGEST)
            continue;
        size_t d = distance(word, n, names[i], m);
        if (d < best || (d == best && !nearest)) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}
