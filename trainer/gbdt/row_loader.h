// Text files to binned rows in two readings: the first takes a sample of the rows and chooses the
// bins, the second bins all rows. Neither keeps text or values, so memory is the sample first and
// the bins afterwards.
//
// The sample is decided by a hash of each row's place in the files, the bins by the sorted sample:
// both are the same for any number of threads, and samples of parts of the data merge by being put
// together. Starts its own threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/data/row_split.h"
#include "models/gbdt/base_model.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/predictor.h"
#include "models/gbdt/tree_model.h"
#include "models/gbdt/value_rows.h"

namespace ps {

inline constexpr std::size_t kMostDenseColumns = 4096;  // of libsvm rows that are a matrix
// A matrix has a byte for every row and column, sparse rows four bytes for every value.
inline constexpr double kDenseShare = 0.25;

// Which rows of the files are kept.
enum class RowsWanted { kAll, kTrain, kHeldOut };

// Trees of these bins' columns, and what they add to; null: there are none.
struct GrownTrees {
  const std::vector<Tree>* trees = nullptr;
  const std::vector<double>* base_scores = nullptr;  // of each margin
};

// Which columns become numbers by the mean label of their categories.
struct TargetOptions {
  bool automatic = false;          // columns of categories that have more of them than bins
  std::vector<ColumnRef> columns;  // and these
  double smooth = 10;
  const RowSplit* split = nullptr;  // only its training rows count; null: all rows
  // Of the automatic ones together, as a plan carries them: a quarter of a message. It holds on no
  // cluster too: the model is the same wherever it is trained.
  std::size_t most_bytes = std::size_t{16} << 20;
};

struct LoadOptions {
  int max_bins = kMostBins;
  std::uint64_t seed = 1;
  int threads = 1;
  double max_bad_rows = 0;
  bool absent_is_zero = false;
  TargetOptions targets;
  LabelRule labels = LabelRule::kBinary;
  std::vector<std::string> classes;         // kClass: as declared; empty: those of the rows
  std::uint64_t sample_rows = 1u << 18;     // about, of tables
  std::uint64_t sample_values = 1u << 26;   // about, of libsvm text
  const std::atomic<bool>* stop = nullptr;  // may be null
  // Of the first reading: trees to start from, or null. Their columns keep their kinds and
  // categories, to which others may be added; with `start_cuts` their thresholds are the only cuts.
  const TreeModel* start = nullptr;
  bool start_cuts = false;
  // Of the second reading.
  const TreePredictor* start_margins = nullptr;  // of the plan's columns: rows get margins; or null
  const BaseModel* base = nullptr;  // instead: rows get its margins less `base_offset`; or null
  double base_offset = 0;
  RowsWanted wanted = RowsWanted::kAll;
  bool held_out = false;  // none of these rows was counted in target statistics
  std::uint32_t part = 0,
                parts = 1;  // part p is a stretch of the text; in order they are all of it
  const std::vector<std::uint32_t>* columns = nullptr;  // ascending, that are kept; null: all
  GrownTrees grown;  // of kTrain: rows get their margins, as StartMargins lays them out
};

// How values become bins, as the first reading found. Immutable.
struct BinPlan {
  std::vector<ValueColumn> sources;  // beside `columns`
  std::vector<BinColumn> columns;
  std::vector<std::uint32_t>
      column_of_index;  // libsvm: of an index, kNoColumn where no row of the sample has it
  bool sparse = false;  // rows of cells; else a matrix
  bool libsvm = false;
  std::uint64_t rows = 0;  // lines of the files: no fewer than their rows; 0: not known
  std::uint64_t sample_rows = 0;
  std::string odd_texts;  // warnings of texts in columns of numbers, if this reading saw any
  std::string not_by_target;  // columns that stay categories of many, and why, if it chose
  std::vector<absl::flat_hash_map<std::string, std::uint8_t>> category_bins;
  std::vector<std::string> classes;  // of softmax
  ClassNumbers class_numbers;

  static constexpr std::uint32_t kNoColumn = 0xffffffffu;
};

// InvalidArgument, beside errors of the data: the trees to start from ask for a column that there is
// not, or for too many thresholds of one.
absl::StatusOr<std::unique_ptr<BinPlan>> PlanBins(const DataFiles& files,
                                                  const features::Plan& plan,
                                                  const LoadOptions& options);

struct LoadedRows {
  BinnedRows train, valid, test;
  // Of trees of several classes the last of which are a part of a round: margins at its begin.
  std::vector<float> round_margins;
  std::uint64_t dropped = 0, good_rows = 0,
                bad_rows = 0;  // good ones: held-out and dropped ones too
  std::string bad_row_text;    // of the first ones
};

// `split` may be null: all rows are train rows. Cancelled: `stop` was set.
absl::StatusOr<LoadedRows> LoadRows(const DataFiles& files, const features::Plan& plan,
                                    const BinPlan& bins, const RowSplit* split,
                                    const LoadOptions& options);

}  // namespace ps
