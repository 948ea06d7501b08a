/* vector_softmax.h - from scores to weights; part of vector_template.h. */
INLINE float larger(float x, float y)
{
    return x > y ? x : y;
}

INLINE float largest_lane(lanes x)
{
    float lane[LANES];
    store(lane, x);
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] = larger(lane[l], lane[l + half]);
    return lane[0];
}

TARGET static float maximum(const float *x, size_t n)
{
    lanes most[CHAINS];
    EACH (v, CHAINS)
        most[v] = all(-INFINITY);
    size_t j = 0;
    for (; j + 64 <= n; j += 64)
        EACH (v, CHAINS)
            most[v] = LARGER(load(x + j + v * LANES), most[v]);
    for (; j < n; j += LANES)
        most[0] = LARGER(load(x + j), most[0]);
    for (size_t v = 1; v < CHAINS; v++)
        most[0] = LARGER(most[v], most[0]);
    return largest_lane(most[0]);
}

/* Numbers outside of [from, to) become -infinity, and count for neither. */
INLINE void bound_edge(float *x, size_t j, struct bounds kept, lanes *most,
                       lanes *fewest)
{
    int_lanes at = from_zero() + (int32_t)j;
    int_lanes inside = (at >= (int32_t)kept.from) & (at < (int32_t)kept.to);
    lanes y = choose(inside, load(x + j), all(-INFINITY));
    *most = LARGER(y, *most);
    *fewest = SMALLER(choose(inside, y, all(INFINITY)), *fewest);
    store(x + j, y);
}

/* In vectors, whose lanes are still apart. */
INLINE void bound_row(float *x, size_t n, struct bounds kept, lanes *largest,
                      lanes *smallest)
{
    lanes most[CHAINS], fewest[CHAINS];
    EACH (v, CHAINS) {
        most[v] = all(-INFINITY);
        fewest[v] = all(INFINITY);
    }
    size_t j = 0, whole = kept.to / LANES * LANES;
    for (; j < kept.from && j < n; j += LANES)
        bound_edge(x, j, kept, &most[0], &fewest[0]);
    for (; j + 64 <= whole; j += 64)
        EACH (v, CHAINS) {
            lanes y = load(x + j + v * LANES);
            most[v] = LARGER(y, most[v]);
            fewest[v] = SMALLER(y, fewest[v]);
        }
    for (; j < whole; j += LANES) {
        most[0] = LARGER(load(x + j), most[0]);
        fewest[0] = SMALLER(load(x + j), fewest[0]);
    }
    for (; j < n; j += LANES)
        bound_edge(x, j, kept, &most[0], &fewest[0]);
    EACH (v, CHAINS) {
        most[0] = LARGER(most[v], most[0]);
        fewest[0] = SMALLER(fewest[v], fewest[0]);
    }
    *largest = most[0];
    *smallest = fewest[0];
}

INLINE quad largest_quad(lanes x)
{
    quad q = QUAD(x, 0);
#if LANES > 4
    q = larger_quad(QUAD(x, 1), q);
#endif
#if LANES > 8
    q = larger_quad(larger_quad(QUAD(x, 2), QUAD(x, 3)), q);
#endif
    return q;
}

INLINE quad sum_quad(lanes x)
{
    quad q = QUAD(x, 0);
#if LANES > 4
    q += QUAD(x, 1);
#endif
#if LANES > 8
    q += QUAD(x, 2) + QUAD(x, 3);
#endif
    return q;
}

/* Rows are reduced 4 at once: a row's last steps would wait for each other. */
enum { REDUCED = (TILE_ROWS + 3) / 4 * 4 };

INLINE void largest_of_rows(const lanes *x, size_t rows, float *largest)
{
    float all_rows[REDUCED];
    for (size_t i = 0; i < rows; i += 4) {
        quad q[4];
        EACH (r, 4)
            q[r] = largest_quad(x[i + r < rows ? i + r : i]);
        transpose_quads(q);
        q[0] = larger_quad(larger_quad(q[0], q[1]), larger_quad(q[2], q[3]));
        memcpy(all_rows + i, q, sizeof *q);
    }
    for (size_t i = 0; i < rows; i++)
        largest[i] = all_rows[i];
}

INLINE void sum_of_rows(const lanes *x, size_t rows, float *sum)
{
    float all_rows[REDUCED];
    for (size_t i = 0; i < rows; i += 4) {
        quad q[4];
        EACH (r, 4)
            q[r] = sum_quad(x[i + r < rows ? i + r : i]);
        transpose_quads(q);
        q[0] = (q[0] + q[1]) + (q[2] + q[3]);
        memcpy(all_rows + i, q, sizeof *q);
    }
    for (size_t i = 0; i < rows; i++)
        sum[i] = all_rows[i];
}

TARGET static void bound_rows(float *x, size_t stride, size_t rows, size_t n,
                              const struct bounds *kept, float *largest, float *least)
{
    lanes most[REDUCED], fewest[REDUCED];
    for (size_t i = 0; i < rows; i++) {
        bound_row(x + i * stride, n, kept[i], &most[i], &fewest[i]);
        fewest[i] = -fewest[i];
    }
    largest_of_rows(most, rows, largest);
    largest_of_rows(fewest, rows, least);
    for (size_t i = 0; i < rows; i++)
        least[i] = -least[i];
}

/* e^x = 2^n 2^r with t = x/ln 2, n the whole number nearest to it and r = t - n. Adding
 * 1.5 2^23 rounds to n and leaves it in the low bits, where a shift makes them the
 * exponent of 2^(n - 1); the polynomial of degree 5 is twice 2^r, to 2^-23.1, so that
 * the smallest result is not a denormal number, which would be slow to go on with. At
 * `least` the exponent's bits are 0, and so is the result. */
INLINE lanes exponential(lanes x)
{
    const float round = 0x1.8p23f + 126.0f;
    const lanes least = all(-0.69314718f * 126.0f);
    x = LARGER(least, x); /* in this order a NaN stays one */
    lanes shifted = x * 0x1.715476p+0f + round;
    lanes r = x * 0x1.715476p+0f - (shifted - round);
    lanes p = 0x1.5bb9f0p-9f * r + 0x1.3ceaa0p-6f;
    p = p * r + 0x1.c6b754p-4f;
    p = p * r + 0x1.ebf9bcp-2f;
    p = p * r + 0x1.62e42ap+0f;
    p = p * r + 2.0f;
    return p * (lanes)((int_lanes)shifted << 23);
}

#if !defined EXPONENTIAL
#define EXPONENTIAL exponential
#endif

/* tanh y = (1 - e^-2y) / (1 + e^-2y), where y is small a polynomial in y^2, because
 * there the difference would cancel. */
INLINE lanes hyperbolic_tangent(lanes y)
{
    const int_lanes sign = (int_lanes)y & (int_lanes)all(-0.0f);
    lanes size = (lanes)((int_lanes)y ^ sign), z = y * y;
    lanes e = exponential(-2.0f * size);
    lanes large = (1.0f - e) / (1.0f + e);
    lanes p = -0x1.8c2d0cp-8f * z + 0x1.576e30p-6f;
    p = p * z - 0x1.b91582p-5f;
    p = p * z + 0x1.110dd8p-3f;
    p = p * z - 0x1.555552p-2f;
    lanes small = size + size * z * p;
    return (lanes)((int_lanes)choose(size < 0.6f, small, large) | sign);
}

TARGET static void cap(float *x, size_t n, float softcap)
{
    for (size_t j = 0; j < n; j += LANES)
        store(x + j, softcap * hyperbolic_tangent(load(x + j) / softcap));
}

/* Which of the sums a number goes to is a matter of its column alone, so that zeros
 * behind the last one change no bit. */
INLINE lanes exponential_row(float *x, size_t n, float max,
                             const float *next)
{
    lanes sum[CHAINS] = {{0}};
    size_t j = 0;
    for (; j + 64 <= n; j += 64)
        EACH (v, CHAINS) {
            lanes y = EXPONENTIAL(load(x + j + v * LANES) - max);
            if (v * LANES % VECTOR_PAD == 0)
                __builtin_prefetch(next + j + v * LANES);
            store(x + j + v * LANES, y);
            sum[v] += y;
        }
    EACH (v, CHAINS)
        if (j + v * LANES < n) {
            lanes y = EXPONENTIAL(load(x + j + v * LANES) - max);
            store(x + j + v * LANES, y);
            sum[v] += y;
        }
    for (size_t step = CHAINS / 2; step > 0; step /= 2)
        for (size_t v = 0; v < step; v++)
            sum[v] += sum[v + step];
    return sum[0];
}

TARGET static void exponential_rows(float *x, size_t stride, size_t rows, size_t n,
                                    const float *max, float *sum)
{
    lanes total[REDUCED];
    for (size_t i = 0; i < rows; i++)
        total[i] =
            exponential_row(x + i * stride, n, max[i], x + (i + 1) * stride);
    sum_of_rows(total, rows, sum);
}

TARGET static float exponentials(float *x, size_t n, float max,
                                 const float *next)
{
    float lane[LANES], sum = 0.0f;
    store(lane, exponential_row(x, n, max, next));
    for (size_t l = 0; l < LANES; l++)
        sum += lane[l];
    return sum;
}
