// table_bench: FTRL updates, look-ups and resident memory of the sparse table, beside other hash
// maps and beside the machine's limit for random read-modify-writes, all in one run. One thread.
#include <gflags/gflags.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "bench/table_load.h"
#include "kernels/optimizer.h"
#include "ps/base/program_flags.h"
#include "ps/table/slot_table.h"

DEFINE_uint64(keys, 200'000'000, "Distinct keys in our table");
DEFINE_uint64(peer_keys, 20'000'000, "Distinct keys in the other maps; 0 leaves them out");
DEFINE_uint64(operations, 50'000'000, "Updates and look-ups timed, of each kind");
DEFINE_uint64(batch, 4096, "Keys a call");
DEFINE_double(zipf, 1.05, "Exponent of the skewed draws");
DEFINE_uint64(limit_gib, 4, "Memory of the read-modify-write limit; 0 leaves it out");
DEFINE_int32(slot_bits, ps::kDefaultSlotBits, "Slots of our table, as a power of two");

namespace ps {
namespace {

constexpr std::size_t kChunk = 1 << 20;  // keys made between two timings
constexpr OptimizerParams kFtrl;
constexpr int kPrefetchDistance = 32;

// Processor time of this thread, in seconds: what a shared machine does meanwhile does not count.
double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

double ResidentBytes() {
  std::uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * sysconf(_SC_PAGESIZE);
}

struct State {
  float z = 0, n = 0;
};

class OurTable {
 public:
  OurTable()
      : table_({.slot_bits = FLAGS_slot_bits,
                .layout = EntryLayout::For(Optimizer::kFtrl),
                .optimizer = kFtrl}) {}
  void Push(absl::Span<const Key> keys, absl::Span<const float> gradients) {
    table_.Push(keys, gradients);
  }
  void Pull(absl::Span<const Key> keys, absl::Span<float> weights) { table_.Pull(keys, weights); }
  std::size_t size() const { return table_.size(); }

 private:
  SlotTable table_;
};

// Keys are mixed already: their own bits are the hash.
struct KeyHash {
  std::size_t operator()(Key key) const { return key; }
};

template <typename Map>
class OneByOne {
 public:
  void Push(absl::Span<const Key> keys, absl::Span<const float> gradients) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ApplyGradient(kFtrl, gradients[i], &map_[keys[i]].z);
    }
  }
  void Pull(absl::Span<const Key> keys, absl::Span<float> weights) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = map_.find(keys[i]);
      weights[i] = found == map_.end() ? 0 : WeightOf(kFtrl, &found->second.z);
    }
  }
  std::size_t size() const { return map_.size(); }

 protected:
  Map map_;
};

class PrefetchedFlatMap : public OneByOne<absl::flat_hash_map<Key, State, KeyHash>> {
 public:
  void Push(absl::Span<const Key> keys, absl::Span<const float> gradients) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i + kPrefetchDistance < keys.size()) map_.prefetch(keys[i + kPrefetchDistance]);
      ApplyGradient(kFtrl, gradients[i], &map_[keys[i]].z);
    }
  }
  void Pull(absl::Span<const Key> keys, absl::Span<float> weights) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i + kPrefetchDistance < keys.size()) map_.prefetch(keys[i + kPrefetchDistance]);
      const auto found = map_.find(keys[i]);
      weights[i] = found == map_.end() ? 0 : WeightOf(kFtrl, &found->second.z);
    }
  }
};

std::vector<float> Gradients() {
  std::vector<float> gradients(FLAGS_batch);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    gradients[i] = static_cast<float>(Mix64(i) >> 40) * 0x1p-24f - 0.5f;
  }
  return gradients;
}

// Calls operate(batch of keys) over all of `keys`; returns the seconds it took.
template <typename Operate>
double Batches(const std::vector<Key>& keys, const Operate& operate) {
  const double start = ThreadSeconds();
  for (std::size_t i = 0; i < keys.size(); i += FLAGS_batch) {
    operate(absl::MakeConstSpan(keys).subspan(i, FLAGS_batch));
  }
  return ThreadSeconds() - start;
}

struct Figures {
  double inserts = 0, updates = 0, skewed_updates = 0, lookups = 0, skewed_lookups = 0;  // a second
  double bytes = 0, peak_bytes = 0;  // resident, a key at the end
  double worst_bytes = 0;  // resident at some moment over the keys there then, above a million
};

template <typename Store>
void InsertAll(Store& store, std::uint64_t keys, const std::vector<float>& gradients,
               Figures* figures) {
  std::vector<Key> chunk;
  chunk.reserve(kChunk);
  chunk.resize(kChunk);  // resident before the baseline is taken
  const double before = ResidentBytes();
  double seconds = 0, peak = 0;
  for (std::uint64_t begin = 0; begin < keys; begin += kChunk) {
    chunk.clear();
    for (std::uint64_t i = begin; i < std::min(begin + kChunk, keys); ++i)
      chunk.push_back(NthKey(i));
    seconds += Batches(chunk, [&](absl::Span<const Key> batch) {
      store.Push(batch, absl::MakeConstSpan(gradients).first(batch.size()));
    });
    const double resident = ResidentBytes() - before;
    peak = std::max(peak, resident);
    figures->worst_bytes = std::max(figures->worst_bytes, resident / store.size());
  }
  figures->inserts = keys / seconds;
  figures->bytes = (ResidentBytes() - before) / store.size();
  figures->peak_bytes = peak / store.size();
}

template <typename Store>
Figures Measure(std::uint64_t keys) {
  Figures figures;
  const std::vector<float> gradients = Gradients();
  auto store = std::make_unique<Store>();
  InsertAll(*store, keys, gradients, &figures);
  if (store->size() != keys) {
    std::fprintf(stderr, "table_bench: %zu keys instead of %" PRIu64 "\n", store->size(), keys);
    std::exit(1);
  }
  std::vector<float> weights(FLAGS_batch);
  std::vector<Key> drawn;
  double checksum = 0;
  const auto timed = [&](double zipf, bool update) {
    KeySampler sampler(keys, zipf, FLAGS_batch);
    double seconds = 0;
    std::uint64_t done = 0;
    for (; done < FLAGS_operations; done += drawn.size()) {
      sampler.Draw(kChunk, &drawn);
      seconds += Batches(drawn, [&](absl::Span<const Key> batch) {
        if (update) {
          store->Push(batch, absl::MakeConstSpan(gradients).first(batch.size()));
        } else {
          store->Pull(batch, absl::MakeSpan(weights).first(batch.size()));
        }
      });
      checksum += weights[0];
    }
    return done / seconds;
  };
  figures.updates = timed(0, true);
  figures.skewed_updates = timed(FLAGS_zipf, true);
  figures.lookups = timed(0, false);
  figures.skewed_lookups = timed(FLAGS_zipf, false);
  if (!(checksum == checksum)) std::fprintf(stderr, "table_bench: weights are not numbers\n");
  return figures;
}

void Print(const char* name, std::uint64_t keys, const Figures& f) {
  std::printf("| %s | %.0fM | %.1f | %.1f, %.1f | %.1f, %.1f | %.1f | %.1f | %.1f |\n", name,
              keys * 1e-6, f.inserts * 1e-6, f.updates * 1e-6, f.skewed_updates * 1e-6,
              f.lookups * 1e-6, f.skewed_lookups * 1e-6, f.bytes, f.peak_bytes, f.worst_bytes);
  std::fflush(stdout);
}

// Random read-modify-writes of 16-byte cells, prefetched through a ring: nothing that misses the
// cache once a key goes faster. Returns how many a second; 0 when the memory is not to be had.
double ReadModifyWriteLimit(std::uint64_t bytes) {
  constexpr std::uint64_t kHugePage = 2 << 20;
  void* memory = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 0;
  auto* cells = reinterpret_cast<std::uint64_t*>(
      (reinterpret_cast<std::uintptr_t>(memory) + kHugePage - 1) & ~(kHugePage - 1));
  madvise(cells, bytes, MADV_HUGEPAGE);
  for (std::uint64_t i = 0; i < bytes / 8; i += 512) cells[i] = 1;
  const std::uint64_t count = bytes / 16;
  std::uint64_t ring[kPrefetchDistance] = {};
  std::uint64_t state = 1;
  const double start = ThreadSeconds();
  for (std::uint64_t i = 0; i < FLAGS_operations; ++i) {
    const std::uint64_t next =
        static_cast<std::uint64_t>((static_cast<unsigned __int128>(Mix64(++state)) * count) >> 64) *
        2;
    __builtin_prefetch(cells + next, 1);
    std::uint64_t& place = ring[i % kPrefetchDistance];
    cells[place] += i;
    cells[place + 1] ^= i;
    place = next;
  }
  const double seconds = ThreadSeconds() - start;
  munmap(memory, bytes + kHugePage);
  return FLAGS_operations / seconds;
}

void Run() {
  std::printf(
      "FTRL, one lane, one thread, %zu keys a call; million a second of processor time: uniform, "
      "Zipf %.2f\n\n"
      "| table | keys | insert | update | look-up | resident bytes a key | at the peak | worst "
      "while growing |\n"
      "|---|---|---|---|---|---|---|---|\n",
      static_cast<std::size_t>(FLAGS_batch), FLAGS_zipf);
  Print("ps::SlotTable", FLAGS_keys, Measure<OurTable>(FLAGS_keys));
  if (FLAGS_peer_keys > 0) {
    const std::uint64_t keys = FLAGS_peer_keys;
    if (keys != FLAGS_keys) Print("ps::SlotTable", keys, Measure<OurTable>(keys));
    Print("absl::flat_hash_map", keys,
          Measure<OneByOne<absl::flat_hash_map<Key, State, KeyHash>>>(keys));
    Print("absl::flat_hash_map, prefetched", keys, Measure<PrefetchedFlatMap>(keys));
    Print("std::unordered_map", keys,
          Measure<OneByOne<std::unordered_map<Key, State, KeyHash>>>(keys));
  }
  if (FLAGS_limit_gib > 0) {
    std::printf("\nlimit: %.1fM random read-modify-writes a second in %" PRIu64 " GiB\n",
                ReadModifyWriteLimit(FLAGS_limit_gib << 30) * 1e-6, FLAGS_limit_gib);
  }
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  ps::ParseProgramFlags("table_bench", "measures the sparse table beside other maps", __FILE__, &argc, &argv);
  if (FLAGS_keys == 0 || FLAGS_batch == 0 || FLAGS_operations == 0 || FLAGS_slot_bits < 1 ||
      FLAGS_slot_bits > ps::kMaxSlotBits) {
    std::fprintf(
        stderr,
        "table_bench: --keys, --batch and --operations must be above 0, --slot_bits 1 to %d\n",
        ps::kMaxSlotBits);
    return 2;
  }
  ps::Run();
  return 0;
}
