// ac_channel for the C-simulation, where FIFOs are watched: Siemens' own is used wherever it is found first.
#ifndef HWQ_AC_CHANNEL_H
#define HWQ_AC_CHANNEL_H

#include "hwq_fifo.h"

template <class T> class ac_channel : public hwq::fifo<T> {};

#endif
