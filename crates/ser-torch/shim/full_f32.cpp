// A C interface to what libtorch may round f32 to.

#include <ATen/Context.h>

extern "C" {

// Forbids GPUs to compute products, convolutions and recurrent networks of f32 in TF32. Whether that is so now.
bool ser_compute_f32_in_full() {
  try {
    auto& context = at::globalContext();
    context.setAllowTF32CuDNN(false);
    context.setAllowTF32CuBLAS(false);
    return !context.allowTF32CuDNN() && !context.allowTF32CuBLAS();
  } catch (...) {
    return false;
  }
}

} // extern "C"
