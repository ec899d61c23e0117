// ternary: weights, 2 x 4 codes of ternary s2
#ifndef TERNARY_WEIGHTS_ROM_H
#define TERNARY_WEIGHTS_ROM_H

static const signed char ternary_weights[2][4] = {
  {1, 0, -1, 0},
  {0, 0, 1, -1},
};

#endif
