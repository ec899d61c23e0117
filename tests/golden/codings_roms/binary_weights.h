// binary: weights, 2 x 4 codes of binary u1
#ifndef BINARY_WEIGHTS_ROM_H
#define BINARY_WEIGHTS_ROM_H

static const unsigned char binary_weights[2][4] = {
  {1, 0, 0, 1},
  {1, 1, 0, 0},
};

#endif
