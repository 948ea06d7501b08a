/* milliseconds.h - a time as text, with three decimals: "0.042". */
#ifndef CODEC_MILLISECONDS_H
#define CODEC_MILLISECONDS_H

enum { MILLISECONDS_BYTES = 20 }; /* at most */

/* Rounded to whole microseconds; what is below 0 or no number is 0, what is above 10^12
 * is that. Returns the place behind it. (Formatting doubles with printf takes as long
 * as a small attention.) */
char *milliseconds_write(double ms, char *out);

#endif
