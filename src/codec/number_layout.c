#include "codec/number_layout.h"

/* Constant expressions, so that the tables are data. E: the first digit's power of
 * ten, -10, -5, 9 and 10 standing for the others; N: how many digits; p: which
 * character behind the sign. */

#define IS_PLAIN(E) ((E) >= LAYOUT_LEAST_PLAIN && (E) <= LAYOUT_MOST_PLAIN)

/* 0.00025 */
#define FRACTION_LENGTH(E, N) (1 - (E) + (N))
#define FRACTION_AT(E, N, p)                 \
    ((p) == 1              ? CHARACTER_POINT \
     : (p) < 1 - (E)       ? CHARACTER_ZERO  \
     : (p) < 1 - (E) + (N) ? (p)-1 + (E)     \
                           : CHARACTER_COMMA)

/* 1234567.5 or 1200 */
#define WHOLE_LENGTH(E, N) ((N) <= (E) + 1 ? (E) + 1 : (N) + 1)
#define WHOLE_AT(E, N, p)                          \
    ((p) <= (E)                  ? (p)             \
     : (p) >= WHOLE_LENGTH(E, N) ? CHARACTER_COMMA \
     : (p) == (E) + 1            ? CHARACTER_POINT \
                                 : (p)-1)

/* 2.5e-7 */
#define MANTISSA_LENGTH(N) ((N) > 1 ? (N) + 1 : 1)
#define EXPONENT_DIGITS(E) ((E) <= -10 || (E) >= 10 ? 2 : 1)
#define SCIENTIFIC_LENGTH(E, N) \
    (MANTISSA_LENGTH(N) + 1 + ((E) < 0) + EXPONENT_DIGITS(E))
#define SCIENTIFIC_AT(E, N, p)                                                       \
    ((p) == 0                                   ? 0                                  \
     : (p) < MANTISSA_LENGTH(N)                 ? (p) == 1 ? CHARACTER_POINT : (p)-1 \
     : (p) == MANTISSA_LENGTH(N)                ? CHARACTER_E                        \
     : (p) >= SCIENTIFIC_LENGTH(E, N)           ? CHARACTER_COMMA                    \
     : (p) == MANTISSA_LENGTH(N) + 1 && (E) < 0 ? CHARACTER_MINUS                    \
     : (p) == SCIENTIFIC_LENGTH(E, N) - 1       ? CHARACTER_ONES                     \
                                                : CHARACTER_TENS)

#define BYTE(E, N, p)                               \
    (uint8_t)(!IS_PLAIN(E) ? SCIENTIFIC_AT(E, N, p) \
              : (E) < 0    ? FRACTION_AT(E, N, p)   \
                           : WHOLE_AT(E, N, p))
#define LENGTH(E, N)                        \
    (!IS_PLAIN(E) ? SCIENTIFIC_LENGTH(E, N) \
     : (E) < 0    ? FRACTION_LENGTH(E, N)   \
                  : WHOLE_LENGTH(E, N))

/* A text without a sign never fills all 16; one with it begins with it. */
#define FIFTEEN(E, N)                                                              \
    BYTE(E, N, 0), BYTE(E, N, 1), BYTE(E, N, 2), BYTE(E, N, 3), BYTE(E, N, 4),     \
        BYTE(E, N, 5), BYTE(E, N, 6), BYTE(E, N, 7), BYTE(E, N, 8), BYTE(E, N, 9), \
        BYTE(E, N, 10), BYTE(E, N, 11), BYTE(E, N, 12), BYTE(E, N, 13), BYTE(E, N, 14)
#define ORDERS(E, N)                   \
    {FIFTEEN(E, N), CHARACTER_COMMA},  \
    {                                  \
        CHARACTER_MINUS, FIFTEEN(E, N) \
    }
#define LENGTHS(E, N) LENGTH(E, N) + 1, LENGTH(E, N) + 2

#define EACH_COUNT(MAKE, E)                                                 \
    MAKE(E, 1), MAKE(E, 2), MAKE(E, 3), MAKE(E, 4), MAKE(E, 5), MAKE(E, 6), \
        MAKE(E, 7), MAKE(E, 8), MAKE(E, 9)
#define EACH_POWER(MAKE)                                                  \
    EACH_COUNT(MAKE, -10), EACH_COUNT(MAKE, -5), EACH_COUNT(MAKE, -4),    \
        EACH_COUNT(MAKE, -3), EACH_COUNT(MAKE, -2), EACH_COUNT(MAKE, -1), \
        EACH_COUNT(MAKE, 0), EACH_COUNT(MAKE, 1), EACH_COUNT(MAKE, 2),    \
        EACH_COUNT(MAKE, 3), EACH_COUNT(MAKE, 4), EACH_COUNT(MAKE, 5),    \
        EACH_COUNT(MAKE, 6), EACH_COUNT(MAKE, 7), EACH_COUNT(MAKE, 8),    \
        EACH_COUNT(MAKE, 9), EACH_COUNT(MAKE, 10)

/* NOLINTBEGIN(bugprone-branch-clone): for some E and N two branches are one */
_Alignas(64) const uint8_t number_layout_order[NUMBER_LAYOUTS][16] = {
    EACH_POWER(ORDERS)};
const uint8_t number_layout_length[NUMBER_LAYOUTS] = {EACH_POWER(LENGTHS)};
/* NOLINTEND(bugprone-branch-clone) */
