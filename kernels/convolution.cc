// Convolutions and their gradients by oneDNN, as a target of XLA's foreign-function interface.
//
// The batch is cut into pieces that run on XLA's own pool of threads, each piece on one thread:
// oneDNN's OpenMP threads would compete with that pool, and every thread that calls would bring a
// team of its own.

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

#define KEPT __attribute__((visibility("default")))

namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Dims = memory::dims;
using Numbers = std::vector<int64_t>;

// ------------------------------------------------------------------------------ what is computed

// The form sum(y * conv(x, w)) is linear in each of x, w and y.  Its derivative by one of them, as
// a function of the other two, is the convolution (by y), the input's gradient (by x) or the
// kernel's (by w).
enum class Find : int64_t { kOutput, kInput, kKernel };

// One convolution, as the Python side writes it down.  x is (batch, spatial..., channels), w is
// (window..., channels / groups, filters), y is (batch, spatial..., filters), all dense.
struct Geometry {
  Find find;
  int64_t batch, channels, filters, groups;
  Dims input, window, output, strides, dilation, before, after;

  template <class Span>
  explicit Geometry(const Span& numbers) {
    constexpr size_t kScalars = 5, kLists = 7;
    const size_t axes = numbers.size() / kLists;
    if (numbers.size() != kScalars + kLists * axes || axes < 1 || axes > 3)
      throw std::invalid_argument("a convolution is described by 5 numbers and 7 per axis");
    const int64_t* next = numbers.begin();
    find = static_cast<Find>(*next++);
    for (int64_t* scalar : {&batch, &channels, &filters, &groups}) *scalar = *next++;
    for (Dims* list : {&input, &window, &output, &strides, &dilation, &before, &after}) {
      list->assign(next, next + axes);
      next += axes;
    }
  }

  Numbers numbers() const {
    Numbers result{static_cast<int64_t>(find), batch, channels, filters, groups};
    for (const Dims* list : {&input, &window, &output, &strides, &dilation, &before, &after})
      result.insert(result.end(), list->begin(), list->end());
    return result;
  }

  static int64_t product(const Dims& sizes) {
    int64_t result = 1;
    for (int64_t size : sizes) result *= size;
    return result;
  }
  int64_t input_row() const { return product(input) * channels; }
  int64_t output_row() const { return product(output) * filters; }
  int64_t kernel_size() const { return product(window) * (channels / groups) * filters; }
  int64_t multiplications() const { return batch * output_row() * (kernel_size() / filters); }
};

memory::data_type type_of(ffi::DataType type) {
  switch (type) {
    case ffi::DataType::F32: return memory::data_type::f32;
    case ffi::DataType::BF16: return memory::data_type::bf16;
    default: throw std::invalid_argument("only float32 and bfloat16 are supported");
  }
}

// oneDNN names the axes (batch, channels, spatial...) and is told by strides that the channels
// come last in memory.
memory::desc tensor(int64_t batch, const Dims& spatial, int64_t channels, memory::data_type type) {
  Dims sizes{batch, channels}, strides{0, 1};
  sizes.insert(sizes.end(), spatial.begin(), spatial.end());
  strides.resize(sizes.size());
  int64_t stride = channels;
  for (size_t axis = sizes.size(); axis-- > 2; stride *= sizes[axis]) strides[axis] = stride;
  strides[0] = stride;
  return {sizes, type, strides};
}

// The kernel as ours, or in the layout that the primitive likes best.
memory::desc kernel(const Geometry& g, memory::data_type type, bool any) {
  const int64_t channels = g.channels / g.groups;
  Dims sizes{g.filters / g.groups, channels}, strides{1, g.filters};
  if (g.groups > 1) {
    sizes.insert(sizes.begin(), g.groups);
    strides.insert(strides.begin(), g.filters / g.groups);
  }
  const size_t first = sizes.size();
  sizes.insert(sizes.end(), g.window.begin(), g.window.end());
  strides.resize(sizes.size());
  int64_t stride = channels * g.filters;
  for (size_t axis = sizes.size(); axis-- > first; stride *= sizes[axis]) strides[axis] = stride;
  return any ? memory::desc(sizes, type, memory::format_tag::any)
             : memory::desc(sizes, type, strides);
}

// ------------------------------------------------------------------------------------ primitives

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// While it lives, oneDNN plans for and uses one OpenMP thread in this thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int before_;
};

// Memory that a thread keeps for its next call, unless it is large.
class Buffer {
 public:
  void* get(size_t bytes) {
    if (bytes > size_) {
      const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
      block_.reset(std::aligned_alloc(kAlignment, rounded));
      size_ = block_ ? rounded : 0;
      if (!block_) throw std::bad_alloc();
    }
    return block_.get();
  }
  void trim() {
    if (size_ > kKept) block_.reset(), size_ = 0;
  }

 private:
  static constexpr size_t kAlignment = 64, kKept = size_t{32} << 20;
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> block_;
  size_t size_ = 0;
};

struct Buffers {
  Buffer scratch, shared, own, sums;
  void trim() {
    for (Buffer* buffer : {&scratch, &shared, &own, &sums}) buffer->trim();
  }
};
thread_local Buffers buffers;

dnnl::primitive_attr settings() {
  dnnl::primitive_attr settings;
  settings.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  settings.set_fpmath_mode(dnnl::fpmath_mode::strict);  // whatever the environment says
  return settings;
}

// A convolution of one shape, ready to run; any number of threads may run it at once.
class Convolution {
 public:
  // `type` is that of x, w and y, but for a kernel's gradient, which is found in float32.  Where
  // only `implementation` is asked for, no code is generated.
  Convolution(const Geometry& g, memory::data_type type, bool to_run) : find_(g.find) {
    const OneThread one;
    const auto sums = g.find == Find::kKernel ? memory::data_type::f32 : type;
    input_ = tensor(g.batch, g.input, g.channels, type);
    output_ = tensor(g.batch, g.output, g.filters, type);
    ours_ = kernel(g, sums, false);
    const auto any = kernel(g, type, true), any_sums = kernel(g, sums, true);
    Dims gaps = g.dilation;  // oneDNN counts what lies between
    for (int64_t& gap : gaps) --gap;

    constexpr auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(
        engine(), dnnl::prop_kind::forward_training, direct, input_, any, output_, g.strides, gaps,
        g.before, g.after, settings());
    switch (g.find) {
      case Find::kOutput:
        keep<dnnl::convolution_forward>(forward, forward.weights_desc(), to_run);
        break;
      case Find::kInput: {
        const dnnl::convolution_backward_data::primitive_desc found(
            engine(), direct, input_, any, output_, g.strides, gaps, g.before, g.after, forward,
            settings());
        keep<dnnl::convolution_backward_data>(found, found.weights_desc(), to_run);
        break;
      }
      case Find::kKernel: {
        const dnnl::convolution_backward_weights::primitive_desc found(
            engine(), direct, input_, any_sums, output_, g.strides, gaps, g.before, g.after,
            forward, settings());
        keep<dnnl::convolution_backward_weights>(found, found.diff_weights_desc(), to_run);
        break;
      }
    }
    if (!to_run || theirs_ == ours_) return;
    const bool out = g.find == Find::kKernel;
    const auto &from = out ? theirs_ : ours_, &to = out ? ours_ : theirs_;
    const dnnl::reorder::primitive_desc found(engine(), from, engine(), to, settings());
    reorder_ = dnnl::reorder(found);
    reorder_scratch_ = found.scratchpad_desc();
  }

  const std::string& implementation() const { return implementation_; }

  // The kernel as the primitive wants it: `kernel` itself, or a copy in the buffer.
  void* arranged(void* kernel, Buffer& buffer) const {
    if (!reorder_) return kernel;
    void* copy = buffer.get(theirs_.get_size());
    arrange(ours_, kernel, theirs_, copy);
    return copy;
  }
  bool arranges_like(const Convolution& other) const { return theirs_ == other.theirs_; }

  // Runs on this thread.  `kernel` is `arranged`, or where the kernel's gradient goes.
  void run(void* input, void* kernel, void* output) const {
    const bool gradient = find_ == Find::kKernel;
    void* theirs = gradient && reorder_ ? buffers.own.get(theirs_.get_size()) : kernel;
    const int x = find_ == Find::kInput ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC;
    const int w = gradient ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
    const int y = find_ == Find::kOutput ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST;
    execute(primitive_, {{x, at(input_, input)},
                         {w, at(theirs_, theirs)},
                         {y, at(output_, output)},
                         {DNNL_ARG_SCRATCHPAD, scratch(scratch_)}});
    if (theirs != kernel) arrange(theirs_, theirs, ours_, kernel);
  }

 private:
  template <class Primitive, class Found>
  void keep(const Found& found, const memory::desc& theirs, bool to_run) {
    if (to_run) primitive_ = Primitive(found);
    theirs_ = theirs;
    scratch_ = found.scratchpad_desc();
    implementation_ = found.impl_info_str();
  }
  static memory at(const memory::desc& desc, void* data) { return {desc, engine(), data}; }
  static memory scratch(const memory::desc& desc) {
    return at(desc, buffers.scratch.get(desc.get_size()));
  }
  static void execute(const dnnl::primitive& primitive,
                      const std::unordered_map<int, memory>& arguments) {
    thread_local dnnl::stream stream(engine());
    const OneThread one;
    primitive.execute(stream, arguments);
  }
  void arrange(const memory::desc& from, void* source, const memory::desc& to, void* target) const {
    execute(reorder_, {{DNNL_ARG_FROM, at(from, source)},
                       {DNNL_ARG_TO, at(to, target)},
                       {DNNL_ARG_SCRATCHPAD, scratch(reorder_scratch_)}});
  }

  Find find_;
  memory::desc input_, output_, ours_, theirs_, scratch_, reorder_scratch_;
  dnnl::primitive primitive_, reorder_;
  std::string implementation_;
};

// Making a primitive generates machine code, so those of the shapes in use are kept.
std::shared_ptr<const Convolution> convolution(const Geometry& geometry, memory::data_type type) {
  static constexpr size_t kMost = 4096;
  static std::shared_mutex mutex;
  static std::map<Numbers, std::shared_ptr<const Convolution>> kept;
  Numbers key = geometry.numbers();
  key.push_back(static_cast<int64_t>(type));
  {
    const std::shared_lock lock(mutex);
    if (const auto found = kept.find(key); found != kept.end()) return found->second;
  }
  auto made = std::make_shared<const Convolution>(geometry, type, true);
  const std::unique_lock lock(mutex);
  if (kept.size() >= kMost) kept.clear();
  return kept.emplace(std::move(key), std::move(made)).first->second;
}

// --------------------------------------------------------------------------------------- threads

// Runs work(0) ... work(count - 1) on XLA's pool and this thread.  This thread takes pieces like
// the others and waits only for those that another has begun, so it does not matter that it may
// be one of the pool and all the others busy.
template <class Work>
void in_parallel(ffi::ThreadPool& pool, int64_t count, const Work& work) {
  struct State {
    std::atomic<int64_t> next{0}, left;
    std::mutex mutex;
    std::exception_ptr error;
  };
  auto state = std::make_shared<State>();  // tasks may start when all is done
  state->left = count;
  const auto take = [state, count, &work] {
    for (int64_t i; (i = state->next.fetch_add(1)) < count;) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(state->mutex);
        state->error = std::current_exception();
      }
      if (state->left.fetch_sub(1) == 1) state->left.notify_all();
    }
  };
  for (int64_t i = 1; i < count; ++i) pool.Schedule([take] { take(); });
  take();
  for (int64_t left; (left = state->left.load()) > 0;) state->left.wait(left);
  if (state->error) std::rethrow_exception(state->error);
}

// A part of a convolution, and where its tensors begin, in elements.
struct Piece {
  Geometry geometry;
  int64_t x = 0, y = 0;
};

// Samples are shared out, or the rows of one sample's output (of its input's gradient, rows would
// have to be added up).
std::vector<Piece> pieces(const Geometry& whole, const ffi::ThreadPool& pool) {
  constexpr int64_t kWork = int64_t{1} << 20;   // multiplications worth a thread
  constexpr int64_t kSums = int64_t{64} << 20;  // floats that kernels' gradients are added from
  // that no piece lies in the padding alone
  const int64_t span = (whole.window[0] - 1) * whole.dilation[0];
  const bool rows = whole.batch == 1 && whole.find != Find::kInput && whole.before[0] <= span &&
                    whole.after[0] <= span;
  const int64_t length = rows ? whole.output[0] : whole.batch;
  int64_t count = std::min({pool.num_threads(), length, whole.multiplications() / kWork});
  if (whole.find == Find::kKernel) count = std::min(count, 1 + kSums / whole.kernel_size());
  count = std::max<int64_t>(count, 1);

  std::vector<Piece> result(count, Piece{whole});
  for (int64_t i = 0; i < count; ++i) {
    auto& [part, x, y] = result[i];
    const int64_t begin = length * i / count, end = length * (i + 1) / count;
    if (!rows) {
      part.batch = end - begin;
      x = begin * whole.input_row();
      y = begin * whole.output_row();
      continue;
    }
    const int64_t first = begin * whole.strides[0] - whole.before[0];
    const int64_t last = (end - 1) * whole.strides[0] - whole.before[0] + span;
    const int64_t from = std::max<int64_t>(first, 0);
    const int64_t to = std::min(last + 1, whole.input[0]);
    part.before[0] = from - first;
    part.after[0] = last + 1 - to;
    part.input[0] = to - from;
    part.output[0] = end - begin;
    x = from * (whole.input_row() / whole.input[0]);
    y = begin * (whole.output_row() / whole.output[0]);
  }
  return result;
}

// ---------------------------------------------------------------------------------------- target

uint16_t to_bfloat16(float value) {  // to the nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);  // NaN
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void compute(ffi::ThreadPool& pool, const ffi::AnyBuffer& first, const ffi::AnyBuffer& second,
             const ffi::AnyBuffer& result, ffi::Span<const int64_t> numbers) {
  const Geometry whole(numbers);
  const auto type = type_of(result.element_type());
  const ffi::AnyBuffer *x = &first, *w = &second, *y = &result;
  if (whole.find == Find::kInput) x = &result, y = &first;
  if (whole.find == Find::kKernel) w = &result, y = &second;
  if (static_cast<int64_t>(x->element_count()) != whole.batch * whole.input_row() ||
      static_cast<int64_t>(w->element_count()) != whole.kernel_size() ||
      static_cast<int64_t>(y->element_count()) != whole.batch * whole.output_row() ||
      first.element_type() != result.element_type() ||
      second.element_type() != result.element_type())
    throw std::invalid_argument("the tensors are not those that the convolution describes");

  const std::vector<Piece> parts = pieces(whole, pool);
  const int64_t count = parts.size(), width = ffi::ByteWidth(result.element_type());
  const auto run = [&](const Convolution& part, int64_t i, void* kernel) {
    part.run(static_cast<char*>(x->untyped_data()) + parts[i].x * width, kernel,
             static_cast<char*>(y->untyped_data()) + parts[i].y * width);
  };

  if (whole.find != Find::kKernel) {
    const auto first = convolution(parts[0].geometry, type);
    void* const shared = first->arranged(w->untyped_data(), buffers.shared);
    in_parallel(pool, count, [&](int64_t i) {
      const auto part = convolution(parts[i].geometry, type);
      const bool same = part->arranges_like(*first);  // sizes decide what oneDNN chooses
      run(*part, i, same ? shared : part->arranged(w->untyped_data(), buffers.own));
    });
    return;
  }
  // Each piece's gradient, in float32, and then their sum.
  const int64_t size = whole.kernel_size();
  const bool direct = type == memory::data_type::f32;  // the first goes where the sum is to be
  auto* others = static_cast<float*>(buffers.sums.get((count - direct) * size * sizeof(float)));
  float* const sum = direct ? static_cast<float*>(w->untyped_data()) : others;
  if (!direct) others += size;
  in_parallel(pool, count, [&](int64_t i) {
    run(*convolution(parts[i].geometry, type), i, i ? others + (i - 1) * size : sum);
  });
  for (int64_t i = 1; i < count; ++i)
    for (int64_t j = 0; j < size; ++j) sum[j] += others[(i - 1) * size + j];
  if (!direct)
    std::transform(sum, sum + size, static_cast<uint16_t*>(w->untyped_data()), to_bfloat16);
}

ffi::Error conv(ffi::ThreadPool pool, ffi::AnyBuffer first, ffi::AnyBuffer second,
                ffi::Result<ffi::AnyBuffer> result, ffi::Span<const int64_t> numbers) {
  try {
    compute(pool, first, second, *result, numbers);
    buffers.trim();
    return ffi::Error::Success();
  } catch (const dnnl::error& error) {
    return ffi::Error::Internal(std::string("oneDNN: ") + error.what());
  } catch (const std::exception& error) {
    return ffi::Error::Internal(std::string("a convolution by oneDNN: ") + error.what());
  }
}

struct Numbered {
  const int64_t* data;
  size_t count;
  size_t size() const { return count; }
  const int64_t* begin() const { return data; }
};

}  // namespace

extern "C" KEPT XLA_FFI_Error* tricorn_conv(XLA_FFI_CallFrame*);
XLA_FFI_DEFINE_HANDLER_SYMBOL(tricorn_conv, conv,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("geometry"));

// The name of oneDNN's implementation of a convolution on this processor; "" if there is none.
extern "C" KEPT const char* tricorn_conv_implementation(
    const int64_t* numbers, size_t count, bool bfloat16) {
  thread_local std::string name;
  try {
    const auto type = bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
    name = Convolution(Geometry(Numbered{numbers, count}), type, false).implementation();
  } catch (const std::exception&) {
    name.clear();
  }
  return name.c_str();
}

// oneDNN's version, and what it uses of the processor (a bit set, dnnl_cpu_isa_t).
extern "C" KEPT const char* tricorn_onednn() {
  static const dnnl_version_t* const version = dnnl_version();
  static const std::string text = std::to_string(version->major) + "." +
                                  std::to_string(version->minor) + "." +
                                  std::to_string(version->patch);
  return text.c_str();
}
extern "C" KEPT int tricorn_processor() { return static_cast<int>(dnnl::get_effective_cpu_isa()); }
