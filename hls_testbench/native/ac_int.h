// ac_int comes with the face of ac_fixed.
#include "ac_fixed.h"
