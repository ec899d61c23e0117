// fc3: weights, 4 x 12 codes of s4
#ifndef DENSE_FC3_WEIGHTS_H
#define DENSE_FC3_WEIGHTS_H

typedef signed char dense_fc3_weights_word_t;

static const dense_fc3_weights_word_t dense_fc3_weights[4][12] = {
  {-4, -6, -5, -2, 0, -3, 0, 1, 0, 3, 0, 0},
  {3, 2, -2, -3, -2, -2, 2, -2, -4, -5, 0, 2},
  {3, -3, -7, -7, -2, 1, -2, -3, -2, -1, 3, 2},
  {-1, 0, 2, -1, 1, 1, -1, 3, -1, -2, -4, -2},
};

#endif
