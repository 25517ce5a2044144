// A model bundle: the directory a job leaves behind.
//
//   manifest.json   format version, counts, digests of the other files, what a reader must know
//   weights.bin     sorted keys and weights with a slot index, mmap-able, CRC32C
//   extractor.pb    the compiled feature plan and data format: what turns a raw row into keys
//   job.yaml        the configuration as run
//   metrics.json    evaluation
//
// docs/bundle_format.md is the normative description.
//
// Writing goes to a temporary sibling directory that takes the bundle's place in one step
// (bundle_directory.h), so that a bundle is whole or absent, and a crash leaves the old one. The
// writer belongs to one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ps/base/key.h"

namespace ps {

struct BundleInfo {
  std::string model_type = "lr";
  std::string job_name;
  bool complete = true;  // false: training was stopped early (SIGTERM)
  std::uint64_t rows_learnt = 0;
  std::uint64_t features = 0;    // weights stored (non-zero, without the bias)
  double bias = 0;               // weight of kBiasKey
  double margin_offset = 0;      // added to every margin: corrects negative down-sampling
  std::string optimizer;         // as text, e.g. "ftrl alpha=0.1 beta=1 l1=0 l2=0"
  std::string extractor_digest;  // hex XXH3-128 of extractor.pb; filled by the writer
};

class BundleWriter {
 public:
  // `dir` may exist if it is a bundle or empty (it is replaced at Finish); anything else is refused
  // with FailedPrecondition, a bundle directory with further files in it included: they would be
  // lost. Unavailable: another process is writing the same bundle.
  static absl::StatusOr<std::unique_ptr<BundleWriter>> Create(std::string dir);
  ~BundleWriter();  // without Finish: removes the temporary directory

  // Appends weights in strictly ascending key order over all calls. kBiasKey must not be among
  // them, nor a weight that is not finite. Zero weights are left out.
  absl::Status AppendWeights(absl::Span<const Key> keys, absl::Span<const float> weights);
  // Further files, by name: extractor.pb, job.yaml, metrics.json.
  absl::Status AddFile(const std::string& name, const std::string& content);
  // Once, as the last call. Text in `info` must be UTF-8.
  absl::Status Finish(BundleInfo info);

 private:
  BundleWriter() = default;
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// A finished bundle, its weights mapped read-only. Immutable: any thread.
class Bundle {
 public:
  // Checks every checksum. DataLoss names file and offset; NotFound when it is not a bundle.
  static absl::StatusOr<std::unique_ptr<Bundle>> Open(const std::string& dir);
  ~Bundle();

  const BundleInfo& info() const { return info_; }
  const std::string& dir() const { return dir_; }
  absl::Span<const Key> keys() const { return keys_; }  // ascending
  absl::Span<const float> weights() const { return weights_; }
  absl::StatusOr<std::string> ReadFile(const std::string& name) const;

  // Weight of each key, 0 for absent ones. Batched and prefetched. kBiasKey gives the bias.
  void Lookup(absl::Span<const Key> keys, absl::Span<float> weights) const;

 private:
  Bundle() = default;
  struct Mapping;
  std::string dir_;
  BundleInfo info_;
  absl::Span<const Key> keys_;
  absl::Span<const float> weights_;
  absl::Span<const std::uint64_t> slot_begin_;
  std::unique_ptr<Mapping> mapping_;
};

}  // namespace ps
