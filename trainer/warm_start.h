// Starting from the weights of an earlier model. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "trainer/prepared_job.h"

namespace ps {

// The bundle in that directory; errors name the key that it stands at.
absl::StatusOr<std::unique_ptr<Bundle>> OpenStartBundle(const std::string& dir);

// The bundle of model.warm_start, null without one. InvalidArgument when its feature plan is another: its
// weights would belong to other features.
absl::StatusOr<std::unique_ptr<Bundle>> OpenWarmStart(const PreparedJob& job);

// The weights of such a bundle, part by part in ascending order of keys, the bias as the key that it is on
// servers. One thread.
class StartWeights {
 public:
  // Null: there are none.
  StartWeights(std::unique_ptr<Bundle> bundle, bool bias) : bundle_(std::move(bundle)), bias_(bias) {}
  // The next part; false when there is none left.
  bool Next(std::vector<Key>* keys, std::vector<float>* weights);
  void Restart() { at_ = 0, bias_given_ = false; }

 private:
  std::unique_ptr<Bundle> bundle_;
  bool bias_;
  std::size_t at_ = 0;
  bool bias_given_ = false;
};

}  // namespace ps
