// ap_int comes with the face of ap_fixed.
#include "ap_fixed.h"
