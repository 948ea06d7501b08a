/* bench_attention_shapes.h - timings of attention_tiled on given shapes, a JSON line
 * each:
 * {"kind":"full","t":128,"h":4,"d":64,"min_ms":..,"median_ms":..,"gflops":..,"threads":1}.
 * Q, K, V and the output are [T][H d]. Of causal problems only the visible half is
 * counted, of windows (128 keys to the left, causal) only the visible cells. */
#ifndef TESTS_BENCH_ATTENTION_SHAPES_H
#define TESTS_BENCH_ATTENTION_SHAPES_H

/* Arguments of bench_attention: [--threads N] [--kinds full,causal,map,window]
 * [--seconds S, of one line] [--near BYTES, of cache for a thread] --shapes T,H,d ...
 * The process's exit status. */
int bench_attention_shapes(int count, char **arguments);

double bench_seconds(void);
float *bench_numbers(unsigned long count);

#endif
