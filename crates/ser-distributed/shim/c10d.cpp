// A C interface to the process groups of libtorch's c10d: a key-value store and an all-reduce. Every function that can fail
// returns null or 0 and leaves a message, which the caller frees.
//
// PyTorch's wheel has c10d's headers but not those of gloo, which ProcessGroupGloo.hpp includes. Of gloo they use pointers
// alone, so the headers in gloo/ beside this file declare its types and lay out none of them: no version of gloo is assumed.
// What is laid out, c10d's own classes, comes from the headers of the libtorch that is linked, whose version is checked.

#define USE_C10D_GLOO

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/headeronly/version.h>

static_assert(
    TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR == 11,
    "this file is written for the c10d of libtorch 2.11; look at its classes again before it is used with another");

namespace {

struct Group {
  c10::intrusive_ptr<c10d::Store> store;
  // None until the ranks have agreed to compute together.
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

// The first line of what went wrong; libtorch appends a stack trace, which is of no use here.
char* message_of(const char* what) {
  const char* end = std::strchr(what, '\n');
  std::string line = end ? std::string(what, end) : std::string(what);
  return strdup(line.c_str());
}

// Runs `work` and turns an exception into a message.
template <typename Work>
auto guarded(char** error, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& caught) {
    *error = message_of(caught.what());
  } catch (...) {
    *error = message_of("an exception of an unknown kind");
  }
  return {};
}

at::Tensor sum_of(Group& group, const at::Tensor& value) {
  TORCH_CHECK(group.gloo, "the ranks are not connected");
  // A copy: what is summed over may be needed as it was.
  std::vector<at::Tensor> buffer{value.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true).contiguous()};
  group.gloo->allreduce(buffer)->wait();
  return buffer[0].to(value.device());
}

} // namespace

extern "C" {

// Connects to the store at `host`:`port`, or serves it. `prefix` keeps its keys apart from others'.
Group* ser_c10d_store(
    const char* host,
    uint16_t port,
    bool serves,
    const char* prefix,
    int64_t timeout_ms,
    char** error) {
  return guarded(error, [&]() -> Group* {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    auto tcp = c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
    auto* group = new Group;
    group->store = c10::make_intrusive<c10d::PrefixStore>(std::string(prefix), tcp);
    return group;
  });
}

bool ser_c10d_set(Group* group, const char* key, const uint8_t* value, size_t length, char** error) {
  return guarded(error, [&] {
    group->store->set(std::string(key), std::vector<uint8_t>(value, value + length));
    return true;
  });
}

// Waits for `key`; the caller frees the value.
uint8_t* ser_c10d_get(Group* group, const char* key, int64_t timeout_ms, size_t* length, char** error) {
  return guarded(error, [&]() -> uint8_t* {
    group->store->wait({std::string(key)}, std::chrono::milliseconds(timeout_ms));
    auto value = group->store->get(std::string(key));
    auto* copy = static_cast<uint8_t*>(std::malloc(value.size() + 1));
    TORCH_CHECK(copy, "not enough memory");
    std::memcpy(copy, value.data(), value.size());
    *length = value.size();
    return copy;
  });
}

// Adds 1 to the number at `key`, and gives it; 0 on failure.
int64_t ser_c10d_count(Group* group, const char* key, char** error) {
  return guarded(error, [&]() -> int64_t { return group->store->add(std::string(key), 1); });
}

// Connects the ranks with each other, over `address` of this machine, over the interface `interface`, or, where both are
// empty, over what the name of this machine resolves to.
bool ser_c10d_connect(
    Group* group,
    int rank,
    int size,
    const char* address,
    const char* interface,
    int64_t timeout_ms,
    char** error) {
  return guarded(error, [&] {
    using c10d::ProcessGroupGloo;
    auto options = ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout_ms));
    if (*interface) {
      options->devices.push_back(ProcessGroupGloo::createDeviceForInterface(interface));
    } else if (*address) {
      options->devices.push_back(ProcessGroupGloo::createDeviceForHostname(address));
    } else {
      options->devices.push_back(ProcessGroupGloo::createDefaultDevice());
    }
    auto store = c10::make_intrusive<c10d::PrefixStore>("gloo", group->store);
    group->gloo = c10::make_intrusive<ProcessGroupGloo>(store, rank, size, options);
    return true;
  });
}

// Σ over ranks of a tensor, as a new one.
at::Tensor* ser_c10d_sum(Group* group, const at::Tensor* value, char** error) {
  return guarded(error, [&]() -> at::Tensor* { return new at::Tensor(sum_of(*group, *value)); });
}

void ser_c10d_free_group(Group* group) {
  try {
    delete group;
  } catch (...) {
    // A connection that broke while it was being closed is closed.
  }
}

void ser_c10d_free(void* memory) {
  std::free(memory);
}

} // extern "C"
