// A C interface to what libtorch may round f32 to.

#include <ATen/Context.h>

extern "C" {

// Forbids cuDNN to compute f32 convolutions and recurrent networks in TF32. Whether that is so now.
bool ser_compute_f32_in_full() {
  try {
    at::globalContext().setAllowTF32CuDNN(false);
    return !at::globalContext().allowTF32CuDNN();
  } catch (...) {
    return false;
  }
}

} // extern "C"
