/* vector_pack.h - rows and columns into panels; part of vector_template.h. */

TARGET static void pack_rows(float *to, size_t to_stride, const float *from,
                             size_t from_stride, size_t rows, size_t columns)
{
    const size_t whole = columns / LANES * LANES;
    for (size_t i = 0; i < rows; i++, to += to_stride, from += from_stride) {
        size_t c = 0;
        for (; c < whole; c += LANES)
            store(to + c, load(from + c));
        if (c < columns) {
            store(to + c, load_some(from + c, columns - c));
            c += LANES;
        }
        for (; c < to_stride; c += LANES)
            store(to + c, (lanes){0});
    }
}

INLINE quad load_quad(const float *at)
{
    quad x;
    memcpy(&x, at, sizeof x);
    return x;
}

/* 4 numbers of each of LANES / 4 rows. */
INLINE lanes load_quads(const float *const *row, size_t c)
{
    quad a = load_quad(row[0] + c);
#if LANES == 4
    return a;
#else
    quad b = load_quad(row[4] + c);
    typedef float octet __attribute__((vector_size(32)));
    octet ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
#if LANES == 8
    return ab;
#else
    quad d = load_quad(row[8] + c), e = load_quad(row[12] + c);
    octet de = __builtin_shufflevector(d, e, 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(ab, de, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                   14, 15);
#endif
#endif
}

/* LANES rows become LANES columns; rows that `keep` leaves out become 0. */
INLINE void transpose_rows(float *to, size_t to_stride, const float *const *row,
                           size_t columns, int_lanes keep)
{
    const lanes zero = {0};
    size_t c = 0;
    for (; c + 4 <= columns; c += 4) {
        lanes p = load_quads(row, c), q = load_quads(row + 1, c);
        lanes r = load_quads(row + 2, c), s = load_quads(row + 3, c);
        lanes pr_low = LOW(p, r), pr_high = HIGH(p, r);
        lanes qs_low = LOW(q, s), qs_high = HIGH(q, s);
        store(to + c * to_stride, choose(keep, LOW(pr_low, qs_low), zero));
        store(to + (c + 1) * to_stride, choose(keep, HIGH(pr_low, qs_low), zero));
        store(to + (c + 2) * to_stride, choose(keep, LOW(pr_high, qs_high), zero));
        store(to + (c + 3) * to_stride, choose(keep, HIGH(pr_high, qs_high), zero));
    }
    for (; c < columns; c++) {
        lanes x = zero;
        for (size_t l = 0; l < LANES; l++)
            x[l] = row[l][c];
        store(to + c * to_stride, choose(keep, x, zero));
    }
}

TARGET static void pack_columns(float *to, size_t to_stride, const float *from,
                                size_t from_stride, size_t rows, size_t columns)
{
    for (size_t r = 0; r < to_stride; r += LANES) {
        const float *row[LANES];
        int_lanes keep = from_zero();
        keep = keep < (int32_t)(rows > r ? rows - r : 0);
        for (size_t l = 0; l < LANES; l++)
            row[l] = from + (r + l < rows ? r + l : rows - 1) * from_stride;
        if (r + LANES <= rows)
            transpose_rows(to + r, to_stride, row, columns, (int_lanes){0} == 0);
        else
            transpose_rows(to + r, to_stride, row, columns, keep);
    }
}
