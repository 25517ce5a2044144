// Models that a coordinator is handed by its servers at the end of a pass: one a lane, as bundles
// on disk beside the output, so that no model is ever in memory. One of them may be kept, as the
// best so far; that one outlives the process, where another goes on with the job.
//
// Threads: one at a time. Errors are of the disk: ResourceExhausted, Internal, DataLoss.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/bundle/bundle.h"
#include "models/bundle/scorer.h"

namespace ps {

class CandidateModels {
 public:
  // `output`: the job's directory; `extractor`: as serialized, put into each bundle.
  CandidateModels(std::string output, std::string extractor, double margin_offset)
      : output_(std::move(output)),
        extractor_(std::move(extractor)),
        margin_offset_(margin_offset) {}
  ~CandidateModels();

  // Weights of a lane, lanes and the keys of each in ascending order. The bias is among them.
  absl::Status Append(std::uint32_t lane, absl::Span<const Key> keys,
                      absl::Span<const float> weights);
  // What was appended is void.
  void Abandon();
  // Finishes `lanes` of them and opens them; one without a weight is a model too.
  absl::StatusOr<std::vector<std::unique_ptr<Scorer>>> Open(std::uint32_t lanes);
  // The best so far is this one; an open scorer of it stays usable. Others that were opened go.
  absl::Status Keep(std::uint32_t lane);
  // Those that were opened go; scorers of them stay usable.
  void Drop();
  // The one that was kept, by an earlier process.
  std::string BestDir() const { return output_ + ".ps_train_best"; }
  absl::StatusOr<std::unique_ptr<Scorer>> OpenBest();
  // Those that an earlier process left, the best too.
  absl::Status RemoveFormer();
  // On destruction: the best goes too. What is there before this has written anything is not its
  // own.
  void RemoveAll() { remove_best_ = true; }

 private:
  struct Writing {
    std::unique_ptr<BundleWriter> writer;
    double bias = 0;
  };
  std::string DirOf(std::uint32_t lane) const;

  const std::string output_, extractor_;
  const double margin_offset_;
  std::vector<Writing> writing_;  // by lane
  bool wrote_ = false;            // directories of lanes may be there
  bool has_best_ = false, remove_best_ = false;
};

}  // namespace ps
