// The layers, one function each, under the name of the ONNX node they come from.
#ifndef RINGS_LAYERS_H
#define RINGS_LAYERS_H

#if defined(__GNUC__) && !defined(__SYNTHESIS__) && !defined(HWQ_STRICT)
#pragma GCC system_header  // g++ before 13 has no other way to accept HLS pragmas and loop labels without a remark
#endif

#include "types.h"
#include "weights/dense_fc1_weights.h"
#include "weights/threshold_fc1_act_quant_thresholds.h"
#include "weights/dense_fc2_weights.h"
#include "weights/threshold_fc2_act_quant_thresholds.h"
#include "weights/dense_fc3_weights.h"

// ---------------------------------------------------------------------------------------------------------------------
// fc1
// dense[2x24 w s4 pe 6 simd 2]
static void dense_fc1(const point_t x[2], fc1_t y[24]) {
  typedef ac_fixed<12,12,true> sum_t;
  typedef ac_fixed<4,4,true> weight_t;
#pragma hls_pipeline_init_interval 1
  outputs: for (int fo = 0; fo < 4; ++fo) {
#pragma hls_unroll yes
    elements: for (int p = 0; p < 6; ++p) {
      sum_t sum = 0;
#pragma hls_unroll yes
      products: for (int s = 0; s < 2; ++s) {
        sum += hwq::from_code<weight_t>(dense_fc1_weights[fo][p * 2 + s]) * x[s];
      }
      y[fo * 6 + p] = sum;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// fc1/act_quant
// threshold[24x15 compare]
static void threshold_fc1_act_quant(const fc1_t x[24], fc1_act_quant_t y[24]) {
#pragma hls_pipeline_init_interval 1
  elements: for (int first = 0; first < 24; first += 6) {
#pragma hls_unroll yes
    lanes: for (int lane = 0; lane < 6; ++lane) {
      const int i = first + lane;
      const int c = i % 24;
      int reached = 0;
#pragma hls_unroll yes
      compare: for (int k = 0; k < 15; ++k) {
        reached += x[i] >= hwq::from_code<ac_fixed<12,12,true>>(threshold_fc1_act_quant_thresholds[c][k]) ? 1 : 0;
      }
      y[i] = hwq::from_code<fc1_act_quant_t>(reached);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// fc2
// dense[24x16 w s4 pe 4 simd 24]
static void dense_fc2(const fc1_act_quant_t x[24], fc2_t y[16]) {
  typedef ac_fixed<11,11,true> sum_t;
  typedef ac_fixed<4,4,true> weight_t;
#pragma hls_pipeline_init_interval 1
  outputs: for (int fo = 0; fo < 4; ++fo) {
#pragma hls_unroll yes
    elements: for (int p = 0; p < 4; ++p) {
      sum_t sum = 0;
#pragma hls_unroll yes
      products: for (int s = 0; s < 24; ++s) {
        sum += hwq::from_code<weight_t>(dense_fc2_weights[fo][p * 24 + s]) * x[s];
      }
      y[fo * 4 + p] = sum;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// fc2/act_quant
// threshold[16x15 compare]
static void threshold_fc2_act_quant(const fc2_t x[16], fc2_act_quant_t y[16]) {
#pragma hls_pipeline_init_interval 1
  elements: for (int first = 0; first < 16; first += 4) {
#pragma hls_unroll yes
    lanes: for (int lane = 0; lane < 4; ++lane) {
      const int i = first + lane;
      const int c = i % 16;
      int reached = 0;
#pragma hls_unroll yes
      compare: for (int k = 0; k < 15; ++k) {
        reached += x[i] >= hwq::from_code<ac_fixed<11,11,true>>(threshold_fc2_act_quant_thresholds[c][k]) ? 1 : 0;
      }
      y[i] = hwq::from_code<fc2_act_quant_t>(reached);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// fc3
// dense[16x3 w s4 pe 3 simd 4]
static void dense_fc3(const fc2_act_quant_t x[16], fc3_t y[3]) {
  typedef ac_fixed<11,11,true> sum_t;
  typedef ac_fixed<4,4,true> weight_t;
  sum_t sums[3];
#pragma hls_pipeline_init_interval 1
  inputs: for (int fi = 0; fi < 4; ++fi) {
#pragma hls_unroll yes
    elements: for (int p = 0; p < 3; ++p) {
      sum_t sum = fi > 0 ? sums[p] : sum_t(0);
#pragma hls_unroll yes
      products: for (int s = 0; s < 4; ++s) {
        sum += hwq::from_code<weight_t>(dense_fc3_weights[fi][p * 4 + s]) * x[fi * 4 + s];
      }
      sums[p] = sum;
      if (fi == 3) y[p] = sum;
    }
  }
}

#endif
