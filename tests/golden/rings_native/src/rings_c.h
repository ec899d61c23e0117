/* rings for software, in plain C: arrays of numbers in, arrays of numbers out.
 *
 * Each function takes `samples` samples of every port, one after the other, each row-major; it returns 0 when all are
 * done, 1 when memory has run out. They may be called from several threads at once.
 * rings_codes: integer codes; one takes rings_words_<port> words of 64 bits, the lowest first.
 * rings_values: real numbers, quantized as hwq's simulator does it; they have to be finite.
 */
#ifndef RINGS_C_H
#define RINGS_C_H

#ifdef __cplusplus
extern "C" {
#endif

enum { rings_size_point = 2, rings_words_point = 1 };  /* of a sample; of a code */
enum { rings_size_out_score = 3, rings_words_out_score = 1 };  /* of a sample; of a code */

int rings_codes(long samples, const long long *point, long long *out_score);
int rings_values(long samples, const double *point, double *out_score);

#ifdef __cplusplus
}
#endif

#endif
