/* number_layout.h - where the characters of a number stand, for every form it can have.
 *
 * A number is nine digits and the power of ten of the first. With the other characters
 * that may be needed they fill 16 bytes (enum number_character); its text, comma
 * included, is these 16 in another order, which one instruction puts them in. */
#ifndef CODEC_NUMBER_LAYOUT_H
#define CODEC_NUMBER_LAYOUT_H

#include <stdint.h>

/* The 16 bytes: nine digits from 0 on, then these. */
enum number_character {
    CHARACTER_POINT = 9,
    CHARACTER_ZERO,
    CHARACTER_MINUS,
    CHARACTER_E,
    CHARACTER_COMMA,
    CHARACTER_TENS, /* of the exponent without its sign */
    CHARACTER_ONES
};

/* Numbers are laid out alike when they agree in the first digit's power of ten, in how
 * many digits they have without trailing zeros, and in sign. All powers that are
 * written as exponents of two digits are one, and so are those of one digit. */
enum {
    LAYOUT_LEAST_PLAIN = -4, /* 0.0001 */
    LAYOUT_MOST_PLAIN = 8,   /* 100000000 */
    LAYOUT_POWERS = LAYOUT_MOST_PLAIN - LAYOUT_LEAST_PLAIN + 1 + 4,
    LAYOUT_EACH = 2 * 9, /* of one power */
    NUMBER_LAYOUTS = LAYOUT_POWERS * LAYOUT_EACH
};

/* Layout (power * 9 + digits - 1) * 2 + (1 if negative), where `power` is 0 for e-10
 * and below, 1 for e-9 to e-5, then one each for the plain ones, 15 for e9, 16 for e10
 * and above. */
extern const uint8_t number_layout_order[NUMBER_LAYOUTS][16];
extern const uint8_t number_layout_length[NUMBER_LAYOUTS]; /* with its comma */

#endif
