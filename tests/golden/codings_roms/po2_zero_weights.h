// po2_zero: weights, 2 x 4 codes of po2 sign + 3 with zero
#ifndef PO2_ZERO_WEIGHTS_ROM_H
#define PO2_ZERO_WEIGHTS_ROM_H

static const unsigned char po2_zero_weights[2][4] = {
  {1, 10, 0, 12},
  {4, 0, 9, 2},
};

#endif
