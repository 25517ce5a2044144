// What a job of trees keeps so that another process can go on from it: the bins, and every tree
// that is finished, in pieces, one behind the other. Nothing that was written is written again.
//
// Blocking; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/tree.h"
#include "trainer/gbdt/tree_log.pb.h"
#include "trainer/gbdt/tree_log_store.h"

namespace ps {

class TreeLog {
 public:
  struct Options {
    std::string name;    // of the job, for messages
    std::string digest;  // of all that decides the trees but bins and rows
    bool resume = true;  // else what there is goes
    std::size_t most_bins_bytes = std::size_t{64} << 20;  // larger ones are chosen anew
    std::function<void(const std::string&)> say;          // lines for people
  };
  // Reads what an earlier process of the job has left. InvalidArgument: it is of another job, or
  // its nodes are of another version of the program. DataLoss: it is damaged.
  static absl::StatusOr<std::unique_ptr<TreeLog>> Open(std::unique_ptr<TreeLogStore> store,
                                                       Options options);

  bool goes_on() const { return goes_on_; }
  std::size_t trees() const { return goes_on_ ? kept_ : 0; }  // that are kept
  std::string HowToBeginAnew() const { return store_->HowToBeginAnew(); }
  std::uint64_t run() const { return job_.run(); }
  // Whether nodes of a process before may be waiting.
  bool nodes_wait() const { return goes_on_ && store_->has_nodes() && !nodes_gone_; }
  bool has_nodes() const { return store_->has_nodes(); }
  std::uint64_t leadership_term() const { return store_->leadership_term(); }
  // Processes before this one, and attempts at trees in all of them.
  std::uint32_t sessions_before() const { return job_.session() - 1; }
  std::uint32_t attempts_before() const { return attempts_before_; }
  // A TreePlan; empty: there is none.
  const std::string& bins() const { return job_.bins(); }

  // The trees that are kept; once. DataLoss: they are none of these columns.
  absl::StatusOr<std::vector<Tree>> TakeTrees(const std::vector<BinColumn>& columns);

  // Before the first tree: `bins` as a serialized TreePlan. DataLoss: they are others than before.
  absl::Status Begin(const std::string& bins);
  // Once the rows are there. DataLoss: they are others than before. Other failures as of Keep.
  absl::Status SetRows(const std::string& digest);
  // Keeps those of `trees` that are not kept yet, if it is time for it. Unavailable: another
  // scheduler has the job. Other failures are said, and it is tried again later.
  absl::Status Keep(const std::vector<Tree>& trees, std::uint32_t attempts) {
    return Keep(trees, attempts, /*now=*/false);
  }
  // All of them, now.
  absl::Status KeepAll(const std::vector<Tree>& trees, std::uint32_t attempts) {
    return Keep(trees, attempts, /*now=*/true);
  }
  // The nodes are told to end: nobody is to wait for them. Failures as of Keep.
  absl::Status EndSession();
  absl::Status Clear() { return store_->Clear(); }
  // Another scheduler has the job, and its nodes.
  bool lost() const { return lost_; }

 private:
  TreeLog(std::unique_ptr<TreeLogStore> store, Options options)
      : store_(std::move(store)), options_(std::move(options)) {}
  absl::Status Read();
  absl::Status Keep(const std::vector<Tree>& trees, std::uint32_t attempts, bool now);
  absl::Status Put(const std::string& name, const std::string& bytes);
  // Whether it is done; a failure is said. Unavailable: another scheduler has the job.
  absl::StatusOr<bool> TryPut(const std::string& name, const std::string& bytes);
  absl::StatusOr<bool> KeepRows();
  template <typename Message>
  absl::StatusOr<Message> Parse(const std::string& name, std::string_view sealed) const;
  absl::Status Damaged(const std::string& name, const std::string& what) const;

  const std::unique_ptr<TreeLogStore> store_;
  const Options options_;
  tree_log::Job job_;
  bool goes_on_ = false, nodes_gone_ = false, lost_ = false;
  std::vector<tree_log::Piece> pieces_;  // until the trees were taken
  std::string rows_digest_;
  bool rows_kept_ = true;  // or there is no digest yet
  std::uint32_t attempts_before_ = 0;
  std::size_t kept_ = 0;  // trees
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace ps
