// Bins and binned rows on disk, for the next job with the same data and the same settings
// (data.cache): it parses and bins nothing.
//
// A file is named by a hash of all that it depends on, holds that as text too, and ends with a
// checksum over every byte. It is written beside its place, synced and renamed: whoever reads
// finds it whole or not at all. What is damaged, or was made of something else, is said and made
// anew; a file that cannot be written (a full disk) is said, and the job goes on. One thread calls;
// several processes may share a directory. Its files may be removed at any time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {

class BinCache {
 public:
  using Say = std::function<void(const std::string&)>;
  // `dir` is made where it is not; empty: nothing is kept. `say` gets lines for people, `warn` those
  // of what is wrong.
  BinCache(std::string dir, Say say, Say warn)
      : dir_(std::move(dir)), say_(std::move(say)), warn_(std::move(warn)) {}

  // As PlanBins and LoadRows. Trees to start from and a base model are beyond it: with them rows are
  // read anew.
  absl::StatusOr<std::unique_ptr<BinPlan>> Plan(const DataFiles& files, const features::Plan& plan,
                                                const LoadOptions& options) const;
  absl::StatusOr<LoadedRows> Load(const DataFiles& files, const features::Plan& plan,
                                  const BinPlan& bins, const RowSplit* split,
                                  const LoadOptions& options) const;

 private:
  // Calls read(content) with the file of this origin; false where there is none that can be used.
  template <typename Read>
  bool Find(const std::string& path, const std::string& origin, const Read& read) const;
  void SayIfNotKept(const absl::Status& written) const;

  const std::string dir_;
  const Say say_, warn_;
  mutable bool said_not_kept_ = false;
};

}  // namespace ps
