// A C interface to the process groups of libtorch's c10d: a key-value store and an all-reduce. Every function that can fail
// returns null or 0 and leaves a message, which the caller frees.
//
// PyTorch's wheel has c10d's headers but not those of gloo, which ProcessGroupGloo.hpp includes. Of gloo they use pointers
// alone, so the headers in gloo/ beside this file declare its types and lay out none of them: no version of gloo is assumed.
// What is laid out, c10d's own classes, comes from the headers of the libtorch that is linked, whose version is checked.
//
// Sums of tensors on GPUs go over ProcessGroupNCCL where there is one. It is in libtorch_cuda, which the programs load when they
// compute on a GPU and are not linked with, and its header needs headers of CUDA and NCCL, some of which are in no package that
// PyTorch's wheel asks for. So it is found by name once that library is loaded, and used through c10d::Backend, which it derives
// from: see `made`.

#define USE_C10D_GLOO

#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <c10/util/env.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
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

  // Held while the following are used: sums come from the threads that go back through the graph, too.
  std::mutex gpus;
  // None unless each rank computes on a GPU of its own.
  c10::intrusive_ptr<c10d::Backend> nccl;
  // Whether it has failed, or is to end.
  bool ended = false;
  // How long a sum waits for the other ranks.
  std::chrono::milliseconds patience{0};
};

// The key at which a rank that used NCCL says that it has ended.
constexpr const char* kGone = "gone";

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

// The constructors of ProcessGroupNCCL, the public ones that PyTorch's Python half calls:
//   ProcessGroupNCCL(c10::intrusive_ptr<Store>, int rank, int size, c10::intrusive_ptr<Options>)
//   ProcessGroupNCCL::Options(bool is_high_priority_stream)
constexpr const char* kGroupConstructor =
    "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_EEEEiiNS2_"
    "INS0_7OptionsENS5_IS8_EEEE";
constexpr const char* kOptionsConstructor = "_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";

// A pointer to the options of NCCL is passed as one to their base, which begins where they do. How a pointer of this kind is
// passed does not depend on what it points to.
using Options = c10d::Backend::Options;
using ConstructGroup = void (*)(void*, c10::intrusive_ptr<c10d::Store>, int, int, c10::intrusive_ptr<Options>);
using ConstructOptions = void (*)(void*, bool);

// Memory for an object of either class. They take 1112 and 248 bytes in PyTorch's wheel for CUDA 13, and may take others where
// libtorch was built with another NCCL, so there is far more.
constexpr size_t kRoom = 16384;

// A function of a library that is loaded, or null.
template <typename Function>
Function found(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// A new object of a class that is known by the address of its constructor alone. In the C++ ABI of Linux that is a function
// whose first argument is where the object is to be. `Base` is what the class derives from first, so that its pointers are the
// same; its virtual destructor frees the object, for which it does not matter how much memory there was.
template <typename Base, typename... Parameters>
c10::intrusive_ptr<Base> made(void (*construct)(void*, Parameters...), std::common_type_t<Parameters>... arguments) {
  struct Free {
    void operator()(void* memory) const {
      ::operator delete(memory);
    }
  };
  std::unique_ptr<void, Free> memory(::operator new(kRoom));
  std::memset(memory.get(), 0, kRoom);
  construct(memory.get(), std::move(arguments)...);
  return c10::intrusive_ptr<Base>::unsafe_steal_from_new(static_cast<Base*>(memory.release()));
}

// Ends what still computes. `gpus` is held, or nobody else is left.
void end_nccl(Group& group) noexcept {
  if (!group.nccl || group.ended) {
    return;
  }
  group.ended = true;
  try {
    group.nccl->abort();
  } catch (...) {
    // It is given up in any case.
  }
}

// Waits until a sum is there. It ends only when all ranks have come to it, and of a rank on the same machine NCCL does not tell
// that it never will, so this looks whether another has ended.
void wait_for(Group& group, c10d::Work& work) {
  using Clock = std::chrono::steady_clock;
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const auto began = Clock::now();
  auto looked = began;
  while (!work.isCompleted()) {
    const auto now = Clock::now();
    if (now - began < milliseconds(1)) {
      std::this_thread::yield();
      continue;
    }
    TORCH_CHECK(
        now - began < group.patience,
        "NCCL: a sum has waited for the other ranks for ",
        std::chrono::duration_cast<seconds>(group.patience).count(),
        " s");
    if (now - looked > seconds(1)) {
      looked = now;
      TORCH_CHECK(!group.store->check({kGone}), "NCCL: another rank has ended");
    }
    std::this_thread::sleep_for(microseconds(50));
  }
  if (auto failure = work.exception()) {
    std::rethrow_exception(failure);
  }
}

// Whether NCCL adds up what `value` holds as Gloo does.
bool knows(const at::Tensor& value) {
  switch (value.scalar_type()) {
    case at::kFloat:
    case at::kDouble:
    case at::kHalf:
    case at::kBFloat16:
    case at::kInt:
    case at::kLong:
      return value.is_cuda();
    default:
      return false;
  }
}

at::Tensor sum_over_nccl(Group& group, const at::Tensor& value) {
  TORCH_CHECK(!group.ended, "NCCL: an earlier sum has failed");
  std::vector<at::Tensor> buffer{value.detach().clone(at::MemoryFormat::Contiguous).view({-1})};
  try {
    auto work = group.nccl->allreduce(buffer);
    // NCCL computes beside what else the GPU does. Whatever is computed next waits for it there,
    work->synchronize();
    // and so does this thread, so that a rank that is gone is an error of this sum and not a number that is wrong. Training
    // reads a number of nearly every sum anyway.
    wait_for(group, *work);
  } catch (...) {
    // What waits for another rank on the GPU would keep this process from ending.
    end_nccl(group);
    throw;
  }
  return buffer[0].view(value.sizes());
}

at::Tensor sum_of(Group& group, const at::Tensor& value) {
  TORCH_CHECK(group.gloo, "the ranks are not connected");
  if (knows(value)) {
    std::lock_guard<std::mutex> held(group.gpus);
    if (group.nccl) {
      return sum_over_nccl(group, value);
    }
  }
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

// The address of a GPU on the bus of its machine, as a text in `length` bytes; false where there is none, or no NCCL.
bool ser_c10d_gpu(int index, char* text, int length) {
  // Of CUDA's runtime, whose result is 0 where all is well.
  auto address = found<int (*)(char*, int, int)>("cudaDeviceGetPCIBusId");
  return found<ConstructGroup>(kGroupConstructor) && found<ConstructOptions>(kOptionsConstructor) && address &&
      address(text, length, index) == 0;
}

// Has sums of tensors on GPUs go over NCCL from now on.
bool ser_c10d_connect_gpus(Group* group, int rank, int size, int64_t timeout_ms, char** error) {
  return guarded(error, [&] {
    auto construct_group = found<ConstructGroup>(kGroupConstructor);
    auto construct_options = found<ConstructOptions>(kOptionsConstructor);
    TORCH_CHECK(construct_group && construct_options, "this libtorch has no NCCL");
    // Sums wait themselves. Otherwise a thread of c10d's would look after them, and end the process where one fails.
    c10::utils::set_env("TORCH_NCCL_BLOCKING_WAIT", "1", /*overwrite=*/false);
    auto options = made<Options>(construct_options, false);
    options->timeout = std::chrono::milliseconds(timeout_ms);
    auto store = c10::make_intrusive<c10d::PrefixStore>("nccl", group->store);
    std::lock_guard<std::mutex> held(group->gpus);
    TORCH_CHECK(!group->nccl, "the GPUs are connected already");
    group->patience = options->timeout;
    group->nccl = made<c10d::Backend>(construct_group, store, rank, size, options);
    return true;
  });
}

// Σ over ranks of a tensor, as a new one.
at::Tensor* ser_c10d_sum(Group* group, const at::Tensor* value, char** error) {
  return guarded(error, [&]() -> at::Tensor* { return new at::Tensor(sum_of(*group, *value)); });
}

void ser_c10d_free_group(Group* group) {
  try {
    if (group->nccl) {
      // Others may wait for a sum that this rank will not come to.
      group->store->set(kGone, std::vector<uint8_t>{1});
    }
  } catch (...) {
    // The store has ended before.
  }
  end_nccl(*group);
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
