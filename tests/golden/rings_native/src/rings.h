// rings: the top function and its ports.
#ifndef RINGS_H
#define RINGS_H

#include "types.h"

// point: model input point, 1 x 2
// out_score: model output score, 1 x 3
void rings(const point_t point[2], fc3_t out_score[3]);

#endif
