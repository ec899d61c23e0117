// rings: the top function. Written by hwq 0.1.0 for C++17.
#include "rings.h"

#include "layers.h"

#if defined(HWQ_TRACE) && !defined(__SYNTHESIS__)
#include "trace.h"
#else
#define HWQ_RECORD(edge, codes, count)
#endif

void rings(const point_t point[2], fc3_t out_score[3]) {
  fc1_t fc1[24];
  fc1_act_quant_t fc1_act_quant[24];
  fc2_t fc2[16];
  fc2_act_quant_t fc2_act_quant[16];

  // fc1
  dense_fc1(point, fc1);
  HWQ_RECORD("fc1", fc1, 24);

  // fc1/act_quant
  threshold_fc1_act_quant(fc1, fc1_act_quant);
  HWQ_RECORD("fc1_act_quant", fc1_act_quant, 24);

  // fc2
  dense_fc2(fc1_act_quant, fc2);
  HWQ_RECORD("fc2", fc2, 16);

  // fc2/act_quant
  threshold_fc2_act_quant(fc2, fc2_act_quant);
  HWQ_RECORD("fc2_act_quant", fc2_act_quant, 16);

  // fc3
  dense_fc3(fc2_act_quant, out_score);
  HWQ_RECORD("fc3", out_score, 3);
}
