// fc1: weights, 4 x 12 codes of s4
#ifndef DENSE_FC1_WEIGHTS_H
#define DENSE_FC1_WEIGHTS_H

typedef signed char dense_fc1_weights_word_t;

static const dense_fc1_weights_word_t dense_fc1_weights[4][12] = {
  {0, 0, 5, -1, -1, -7, -2, -2, 0, 0, -3, 1},
  {0, -4, 6, -1, -1, -3, -2, -2, 2, 3, 1, -2},
  {0, 0, -1, 4, 1, -2, 4, 0, -5, 0, -1, 0},
  {-4, -2, -2, 1, -4, 3, 0, -3, -2, 3, 2, 1},
};

#endif
