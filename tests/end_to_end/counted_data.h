// Counting with the real programs: all labels are 1, the optimiser is SGD, and its rate is so small
// (2^-60) that every prediction stays 1/2. Each occurrence of a feature then adds exactly 2^-61 to
// its weight.
#pragma once

#include <map>
#include <string>

#include "ps/base/key.h"
#include "tests/end_to_end/program.h"

namespace ps {

class CountedData {
 public:
  // The value of `model:` for such a job.
  static constexpr char kModel[] = "{optimizer: {type: sgd, alpha: 8.673617379884035e-19}}";

  // Makes train.svm.
  CountedData(const Workplace& place, int rows);
  // Fails the test unless every occurrence in all passes is counted once.
  void ExpectCounted(const std::string& bundle, int passes) const;

 private:
  const int rows_;
  std::map<Key, int> frequency_;
};

}  // namespace ps
