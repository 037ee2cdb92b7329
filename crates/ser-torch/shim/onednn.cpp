// A C interface to linear maps that libtorch computes by oneDNN. It has them for what torch.compile makes of a model, and
// ATen's headers do not declare them: they are called by their names in its dispatcher.

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "message.h"

namespace {

using Arguments = std::vector<c10::IValue>;

at::Tensor call(const char* name, Arguments arguments) {
  const auto operation = c10::Dispatcher::singleton().findSchema({name, ""});
  TORCH_CHECK(operation, "it has no operation ", name);
  operation->callBoxed(&arguments);
  return arguments.at(0).toTensor();
}

c10::IValue text(const char* value) {
  return value ? c10::IValue(std::string(value)) : c10::IValue();
}

c10::IValue tensor(const at::Tensor* value) {
  return value ? c10::IValue(*value) : c10::IValue();
}

const c10::List<std::optional<at::Scalar>> NO_NUMBERS{};

// The new tensor that `compute` gives. On failure null, and a message of at most `room` bytes with its closing zero.
template <class Compute>
at::Tensor* computed(char* message, size_t room, Compute compute) {
  try {
    return new at::Tensor(compute());
  } catch (const std::exception& caught) {
    leave(message, room, caught.what());
  } catch (...) {
    leave(message, room, "an exception of an unknown kind");
  }
  return nullptr;
}

} // namespace

extern "C" {

// The weight `[output, input]` of a linear map in oneDNN's order.
at::Tensor* ser_pack_linear(const at::Tensor* weight, char* message, size_t room) {
  return computed(message, room, [&] {
    return call("mkldnn::_reorder_linear_weight", {*weight, c10::IValue()});
  });
}

// The activation `attribute` by `algorithm` of `weight · x + bias`, for `x` `[…, input]` and a weight in any order.
at::Tensor* ser_linear(
    const at::Tensor* x,
    const at::Tensor* weight,
    const at::Tensor* bias,
    const char* attribute,
    const char* algorithm,
    char* message,
    size_t room) {
  return computed(message, room, [&] {
    return call(
        "mkldnn::_linear_pointwise",
        {*x, *weight, tensor(bias), text(attribute), NO_NUMBERS, text(algorithm)});
  });
}

} // extern "C"
