// What a coordinator is told of the job it runs, and asked. Called by the scheduler's machine, in
// its thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/lane_learner.h"
#include "models/data/row_block.h"
#include "models/metrics/metrics.h"
#include "ps/base/key.h"
#include "ps/base/worker_devices.h"

namespace ps {

// Rows of one batch, with the margins that were predicted before they were learnt.
struct LearntRows {
  std::uint32_t pass = 0;
  absl::Span<const float> margins;
  absl::Span<const std::uint8_t> labels;  // 0 or 1
  absl::Span<const float> weights;        // empty: all 1
  double fraction = 0;        // of the pass's batches that are done, about
  std::uint64_t entries = 0;  // in the tables, as servers have last said; 0: none has yet
};

// The same of all lanes of a tuned job, whose margins lie side by side, row by row.
struct LearntLanes {
  std::uint32_t pass = 0, chunk = 0, batch = 0;
  std::uint32_t batches = 0;              // of the chunk
  absl::Span<const float> margins;        // rows x lanes
  absl::Span<const std::uint8_t> labels;  // 0 or 1
  absl::Span<const float> weights;        // empty: all 1
  bool again = false;  // it was told before: a rollback had it learnt once more
};

// The lanes that there are from some chunk on, and where each of them comes from.
struct LaneChange {
  std::vector<OptimizerParams> settings;
  std::vector<LaneOrigin> origins;
};

// What became of the lines of a pass. rows = learnt + held_out + dropped.
struct PassCounts {
  std::uint64_t lines = 0;
  std::uint64_t rows = 0;
  std::uint64_t learnt = 0;  // counted once a batch, whoever did it how often
  std::uint64_t held_out = 0;
  std::uint64_t dropped = 0;
  std::uint64_t bad = 0;
  std::vector<BadRow> bad_examples;  // the first RowBlock::kMaxQuoted in data order, of files that there are
};

struct PassReport {
  std::uint32_t pass = 0;
  PassCounts counts;
  MetricState progressive;    // of this pass
  bool exported = false;      // its weights have been handed over,
  std::uint32_t lanes = 1;    // of so many lanes
  std::uint64_t entries = 0;  // in the tables; 0 when the weights were not exported
  bool again = false;         // it was reported before, and its end is repeated: counts are in already
};

class JobEvents {
 public:
  virtual ~JobEvents() = default;
  // All nodes have come; training begins.
  virtual void OnStarted() {}
  // What the workers compute on: once all of them have said so, and when it has changed.
  virtual void OnDevices(const WorkerDevices&) {}
  virtual void OnLearnt(const LearntRows&) {}
  // Of a job with several lanes. LeadingLane says which of them stands for the model: OnLearnt, the metrics and,
  // unless ExportsAllLanes, OnWeights are of that one.
  virtual void OnLanes(const LearntLanes&) {}
  virtual std::uint32_t LeadingLane() { return 0; }
  // The first chunk of the pass, from `chunk` on, before which lanes are looked at: none from there on is begun until
  // all before are done. The number of chunks stands for the end of the pass; more than that: there is none.
  virtual std::uint32_t NextLook(std::uint32_t /*pass*/, std::uint32_t /*chunk*/) { return ~std::uint32_t{0}; }
  // All chunks before this one are done. Returns how many of LaneChanges, which only grow, hold from here on. Asked
  // again of the same chunk, the answer is the same. `entries`: in the tables.
  virtual std::size_t OnLook(std::uint32_t /*pass*/, std::uint32_t /*chunk*/, std::uint64_t /*entries*/) { return 0; }
  virtual const std::vector<LaneChange>& LaneChanges() {
    static const std::vector<LaneChange> none;
    return none;
  }
  // A pass is over; where weights are exported after it, they have been handed over. Returns
  // whether to go on, if passes are left.
  virtual bool OnPassEnd(const PassReport&) { return true; }
  // Malformed rows of the job's files for a person, with file and line: the scheduler has no files. May read them.
  virtual std::string Describe(absl::Span<const BadRow>) { return ""; }
  // Whether at the end of this pass weights of all lanes are to be handed over, as many as there are then.
  virtual bool ExportsAllLanes(std::uint32_t /*pass*/) { return false; }
  // The weights between two OnPassEnd: lane after lane, 0 first, those of each in ascending key order. Where only
  // one lane's are handed over, it is called 0 too. Zero weights are left out.
  virtual void OnWeights(std::uint32_t /*lane*/, absl::Span<const Key>, absl::Span<const float>) {}
  // Work was lost with a server and is done again: weights handed over since the last OnPassEnd are
  // void, and NextStartWeights begins again. What was learnt and told stays told, once.
  virtual void OnRollback() {}
  // The next page of the weights to start from, in ascending key order; false when there are no
  // more.
  virtual bool NextStartWeights(std::vector<Key>*, std::vector<float>*) { return false; }
  // What a checkpoint keeps of the coordinator, and gives back to the one that goes on from it: once,
  // before OnStarted, with the report of the pass that is going on so far.
  virtual std::string SaveState() { return ""; }
  virtual absl::Status OnResume(const std::string&, const PassReport&) { return absl::OkStatus(); }
};

}  // namespace ps
