// A C interface through which an operation that is computed elsewhere takes its place in libtorch's graph: its gradients are
// asked for by a call back.

#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "message.h"

namespace {

// Fills `gradients`, as many as the operation has inputs, with new tensors, or null where there is none, from that of its
// output. On failure it gives false and leaves a message in `message`, of at most `room` bytes with its closing zero.
using Backward = bool (*)(void* state, const at::Tensor* gradient, at::Tensor** gradients, char* message, size_t room);
using Release = void (*)(void* state);

struct Operation : torch::autograd::Node {
  void* state;
  Backward backward;
  Release release;

  Operation(void* state, Backward backward, Release release) : state(state), backward(backward), release(release) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation() override {
    release_variables();
  }

  // What is kept for the gradients goes as soon as nobody can ask for them any more.
  void release_variables() override {
    if (state) {
      release(state);
      state = nullptr;
    }
  }

  std::string name() const override {
    return "SerOperation";
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    torch::autograd::variable_list results(num_outputs());
    if (!gradients[0].defined()) {
      return results;
    }
    TORCH_CHECK(state, "gradients were asked for a second time");
    std::vector<at::Tensor*> raw(results.size(), nullptr);
    char message[1024] = {};
    const bool succeeded = backward(state, &gradients[0], raw.data(), message, sizeof message);
    for (size_t index = 0; index < raw.size(); ++index) {
      std::unique_ptr<at::Tensor> result(raw[index]);
      if (result) {
        results[index] = std::move(*result);
      }
    }
    if (!succeeded) {
      throw std::runtime_error(message);
    }
    return results;
  }
};

} // namespace

extern "C" {

// Makes `output`, a new tensor, the output of an operation on the `count` tensors of `inputs`; if none of them learns,
// leaves it as it is. Takes over `state`, for which `release` is called once. False, and a message, on failure.
bool ser_operation(
    at::Tensor* output,
    const at::Tensor* const* inputs,
    size_t count,
    void* state,
    Backward backward,
    Release release,
    char* message,
    size_t room) {
  std::shared_ptr<Operation> operation;
  try {
    try {
      operation = std::make_shared<Operation>(state, backward, release);
    } catch (...) {
      release(state);
      throw;
    }
    torch::autograd::edge_list edges;
    bool learns = false;
    for (size_t index = 0; index < count; ++index) {
      learns |= inputs[index]->requires_grad();
      edges.push_back(torch::autograd::impl::gradient_edge(*inputs[index]));
    }
    if (learns && at::GradMode::is_enabled()) {
      operation->set_next_edges(std::move(edges));
      torch::autograd::set_history(*output, operation);
    }
    return true;
  } catch (const std::exception& caught) {
    leave(message, room, caught.what());
  } catch (...) {
    leave(message, room, "an exception of an unknown kind");
  }
  return false;
}

} // extern "C"
