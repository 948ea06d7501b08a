/* vector_tile.h - the register tile; part of vector_template.h. */
/* `vectors` is a constant where this is inlined. */
INLINE void tile(const struct tile_product *p, size_t column, const size_t vectors)
{
    lanes sum[TILE_ROWS][TILE_VECTORS];
    EACH (i, TILE_ROWS)
        EACH (v, vectors)
            sum[i][v] = all(-0.0f); /* so that a sum of -0 alone stays one */

    const float *a = p->a, *b = p->b + column, *next = p->next;
    const size_t a_stride = p->a_stride, b_stride = p->b_stride;
    EACH_PAIRED (k, p->depth) {
        __builtin_prefetch(next + k * VECTOR_PAD);
        EACH (i, TILE_ROWS)
            EACH (v, vectors)
                sum[i][v] += a[i * a_stride + k] * load(b + k * b_stride + v * LANES);
    }

    float *c = p->c + column;
    const size_t c_stride = p->c_stride;
    const float factor = p->factor;
    EACH (i, TILE_ROWS)
        EACH (v, vectors)
            sum[i][v] *= factor;
    if (p->add)
        EACH (i, TILE_ROWS)
            EACH (v, vectors)
                sum[i][v] += load(c + i * c_stride + v * LANES);
    EACH (i, TILE_ROWS)
        EACH (v, vectors)
            store(c + i * c_stride + v * LANES, sum[i][v]);
}

TARGET static void multiply(const struct tile_product *p)
{
    size_t column = 0;
    for (; column + (size_t)TILE_VECTORS * LANES <= p->width;
         column += (size_t)TILE_VECTORS * LANES)
        tile(p, column, TILE_VECTORS);
#if TILE_VECTORS * LANES > 16 /* VECTOR_PAD: otherwise there is no rest */
    switch ((p->width - column) / LANES) {
    case 3: tile(p, column, 3); break;
    case 2: tile(p, column, 2); break;
    case 1: tile(p, column, 1); break;
    default: break;
    }
#endif
}
