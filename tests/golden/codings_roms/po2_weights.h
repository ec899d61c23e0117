// po2: weights, 2 x 4 codes of po2 sign + 2
#ifndef PO2_WEIGHTS_ROM_H
#define PO2_WEIGHTS_ROM_H

static const unsigned char po2_weights[2][4] = {
  {0, 5, 2, 7},
  {3, 0, 4, 1},
};

#endif
