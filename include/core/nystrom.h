/* nystrom.h - attention by way of a few landmarks: the method "nystrom".
 *
 * With m landmarks, Qm [m][dk] and Km [m][dk] the means of m segments of the rows of Q
 * and of K (segment l of n rows is rows floor(l n / m) to floor((l + 1) n / m) - 1):
 *
 *     F = softmax(scale Q Km^T)    [T][m]
 *     A = softmax(scale Qm Km^T)   [m][m]
 *     B = softmax(scale Qm K^T)    [m][S]
 *     out = F (A+ (B V))
 *
 * where A+ is Z_6 of the iteration of order 3 towards the pseudo-inverse,
 *
 *     Z_0 = A^T / (|A|_1 |A|_inf),
 *     Z_n+1 = 1/4 Z_n (13 I - A Z_n (15 I - A Z_n (7 I - A Z_n))),    in float64
 *
 * Exact, but for the error of Z_6, when m = S = T, where F A+ B = A A+ A = A. Xiong et
 * al., "Nystromformer: a Nystrom-based algorithm for approximating self-attention"
 * (2021), algorithm 1 and equation 15, without the convolution beside it. */
#ifndef CORE_NYSTROM_H
#define CORE_NYSTROM_H

#include "core/attention.h"

/* The pseudo-inverse takes 48 m^3 operations a head, and nothing can stop it. */
enum { NYSTROM_MOST_LANDMARKS = 512 };

/* Parameter in a->method: landmarks, at most T and S and the above. A pack is a head, a
 * tile some queries of a head. No maps and no lse. */
extern const struct attention_kernel nystrom;

#endif
