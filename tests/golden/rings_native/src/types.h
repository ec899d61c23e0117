// Types of every array in the design. The binary point shown is that of the codes; a real scale, where there is one,
// is noted with the ports. Storage types carry no rounding mode: bits are lost only in the layers that say so.
#ifndef RINGS_TYPES_H
#define RINGS_TYPES_H

#include "hwq_codes.h"

typedef hwq::fixed<8,8,true> point_t;                         // codes -128..127  point
typedef hwq::fixed<12,12,true> fc1_t;                         // codes -1016..1024  fc1
typedef hwq::fixed<4,4,false> fc1_act_quant_t;                // codes 0..15  fc1/act_quant
typedef hwq::fixed<11,11,true> fc2_t;                         // codes -615..630  fc2
typedef hwq::fixed<4,4,false> fc2_act_quant_t;                // codes 0..15  fc2/act_quant
typedef hwq::fixed<11,11,true> fc3_t;                         // codes -615..150  fc3

#endif
