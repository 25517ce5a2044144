// The second reading: every row to its bins, in the order of the data.
#include "trainer/gbdt/row_loader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "models/data/bad_rows.h"
#include "ps/base/status_macros.h"
#include "trainer/first_error.h"
#include "trainer/gbdt/binned_block.h"
#include "trainer/gbdt/part_stream.h"
#include "trainer/gbdt/row_binner.h"
#include "trainer/in_order.h"

namespace ps {
namespace {

class Loader {
 public:
  Loader(const DataFiles& files, const features::Plan& plan, const BinPlan& bins,
         const RowSplit* split, const LoadOptions& options)
      : files_(files),
        bins_(bins),
        split_(split != nullptr && split->splits() ? split : nullptr),
        options_(options),
        binner_(bins, options.absent_is_zero),
        outputs_(options.start_margins == nullptr
                     ? 1
                     : static_cast<std::ptrdiff_t>(options.start_margins->outputs())),
        bad_rows_(&files, options.max_bad_rows) {
    const LabelReading labels{options.labels, &bins.class_numbers};
    parser_ = bins.libsvm ? MakeLibsvmValues(plan.index_base(), labels)
                          : MakeTableValues(plan, bins.sources, labels);
    if (options.columns != nullptr) cut_.emplace(binner_.none(), *options.columns);
    for (BinnedRows* part : {&loaded_.train, &loaded_.valid, &loaded_.test})
      *part = cut_ ? cut_->Empty() : EmptyRows(bins);
    if (options.grown.trees != nullptr) {
      margins_.emplace(options.grown.trees, options.grown.base_scores);
    }
    for (std::size_t c = 0; c < bins.sources.size(); ++c) {
      if (bins.sources[c].by_target) targets_.push_back(c);
    }
  }

  absl::StatusOr<LoadedRows> Run() {
    // Addresses for the most there can be, unless files have grown meanwhile; memory comes with the
    // rows.
    for (BinnedRows* part : {&loaded_.train, &loaded_.valid, &loaded_.test}) {
      const bool train = part == &loaded_.train;
      if (!train && (split_ == nullptr || options_.wanted == RowsWanted::kTrain)) continue;
      if (train && options_.wanted == RowsWanted::kHeldOut) continue;
      PS_RETURN_IF_ERROR(Reserve(part));
    }
    PS_ASSIGN_OR_RETURN(const std::unique_ptr<PartStream> stream,
                        PartStream::Open(files_, options_.part, options_.parts));
    FirstError error;
    const auto ends = [&] {
      return error.failed() || (options_.stop != nullptr && options_.stop->load());
    };
    InOrder<BinnedBlock> in_order(
        4 * static_cast<std::uint64_t>(options_.threads), [&](BinnedBlock& block) {
          if (error.failed()) return;
          // In the order of the data, so that any number of threads refuses at the same row.
          bad_rows_.Add(block.good_rows, block.bad_rows, block.bad);
          absl::Status status = block.bad_rows > 0 ? bad_rows_.Check(false) : absl::OkStatus();
          if (!status.ok()) return error.Set(std::move(status));
          Append(block);
        });
    const auto work = [&] {
      BlockStream::Block text;
      ValueRows rows;
      while (!ends()) {
        const absl::StatusOr<bool> more = stream->Next(&text);
        if (!more.ok()) error.Set(more.status());
        if (!more.ok() || !*more) break;
        rows.Clear();
        parser_->Parse(text.text, {text.file, text.offset}, RowSample(), &rows);
        BinnedBlock block = in_order.Spare();
        if (options_.base != nullptr) ScoreBase(text, &rows, &block.margins);
        block.good_rows = rows.rows.rows();
        block.bad_rows = rows.rows.bad_rows;
        std::swap(block.bad, rows.rows.bad);
        Bin(rows, &block);
        if (margins_) margins_->Score(binner_.none(), &block);
        if (cut_) cut_->Cut(&block);
        in_order.Offer(text.sequence, std::move(block));
      }
      // Whoever waits for a number that was taken and not offered would wait for ever.
      if (ends()) in_order.Abandon();
    };
    std::vector<std::thread> others;
    for (int t = 1; t < options_.threads; ++t) others.emplace_back(work);
    work();
    for (std::thread& thread : others) thread.join();
    PS_RETURN_IF_ERROR(error.Get());
    if (options_.stop != nullptr && options_.stop->load())
      return absl::CancelledError("stopped while reading");
    PS_RETURN_IF_ERROR(bad_rows_.Check(true));
    loaded_.good_rows = bad_rows_.rows();
    loaded_.bad_rows = bad_rows_.bad_rows();
    if (loaded_.bad_rows > 0) loaded_.bad_row_text = bad_rows_.Describe();
    if (margins_) margins_->TakeAll(&loaded_.train.margins, &loaded_.round_margins);
    for (BinnedRows* part : {&loaded_.train, &loaded_.valid, &loaded_.test}) ByOutput(part);
    return std::move(loaded_);
  }

 private:
  absl::Status Reserve(BinnedRows* part) const {
    std::uint64_t rows = bins_.rows, bytes = 0;
    if (bins_.sparse || rows == 0) {
      PS_ASSIGN_OR_RETURN(bytes, files_.DecompressedBytes());
      // A line has two bytes at least, but for the last of a file.
      rows = bytes / 2 + files_.files().size();
    }
    if (bins_.sparse) {
      // A value takes at least four characters of text: " 1:1".
      part->cells = HugeArray<std::uint32_t>(bytes / 4 + 1);
    } else {
      part->bins = HugeArray<std::uint8_t>((rows + 1) * part->stride + 64);
    }
    return absl::OkStatus();
  }

  void Bin(ValueRows& rows, BinnedBlock* block) const {
    const std::size_t count = rows.rows.rows();
    block->labels = rows.rows.label;
    block->weights = rows.rows.weight;
    block->parts.clear();
    if (split_ != nullptr) {
      for (std::size_t r = 0; r < count; ++r) {
        block->parts.push_back(
            split_->PartOf({rows.rows.file, rows.rows.row_offset[r]}, rows.rows.label[r]));
      }
    }
    if (options_.start_margins != nullptr) ScoreRows(rows, block);
    if (!targets_.empty() && !options_.held_out) HideOwnLabels(block->parts, &rows);
    binner_.Bin(rows, block);
  }

  // A training row's target statistics are those of the other folds.
  void HideOwnLabels(const std::vector<Part>& parts, ValueRows* rows) const {
    for (std::size_t r = 0; r < rows->rows.rows(); ++r) {
      if (!parts.empty() && parts[r] != Part::kTrain) continue;
      const std::uint32_t fold =
          TargetFold(options_.seed, rows->rows.file, rows->rows.row_offset[r]);
      for (std::size_t i = 0; i < targets_.size(); ++i) {
        rows->values[r * bins_.columns.size() + targets_[i]] =
            bins_.sources[targets_[i]].target->MeanOutOfFold(
                rows->targets[r * targets_.size() + i], fold);
      }
    }
  }

  void ScoreBase(const BlockStream::Block& text, ValueRows* rows,
                 std::vector<float>* margins) const {
    options_.base->Score(text.text, {text.file, text.offset},
                         bins_.libsvm ? 0 : bins_.columns.size(), rows, margins);
    for (float& margin : *margins) margin -= static_cast<float>(options_.base_offset);
  }

  void ScoreRows(const ValueRows& rows, BinnedBlock* block) const {
    const TreePredictor& trees = *options_.start_margins;
    const std::size_t count = rows.rows.rows();
    const std::size_t outputs = trees.outputs();
    block->margins.resize(count * outputs);
    if (!bins_.libsvm) {
      for (std::size_t r = 0; r < count; ++r)
        trees.MarginsAsGrown(rows.values.data() + r * trees.columns(), &block->margins[r * outputs]);
      return;
    }
    const float absent = options_.absent_is_zero ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    std::vector<float> row(trees.columns(), absent);
    for (std::size_t r = 0; r < count; ++r) {
      const std::uint32_t begin = rows.rows.row_begin[r], end = rows.rows.row_begin[r + 1];
      for (std::uint32_t i = begin; i < end; ++i) {
        if (const std::uint32_t c = binner_.ColumnOf(rows.index[i]); c != BinPlan::kNoColumn)
          row[c] = rows.values[i];
      }
      trees.MarginsAsGrown(row.data(), &block->margins[r * outputs]);
      for (std::uint32_t i = begin; i < end; ++i) {
        if (const std::uint32_t c = binner_.ColumnOf(rows.index[i]); c != BinPlan::kNoColumn)
          row[c] = absent;
      }
    }
  }

  void Append(const BinnedBlock& block) {
    for (std::size_t first = 0; first < block.labels.size();) {
      const Part part = block.parts.empty() ? Part::kTrain : block.parts[first];
      std::size_t end = first + 1;
      while (end < block.labels.size() && (block.parts.empty() || block.parts[end] == part)) ++end;
      const bool train = part == Part::kTrain;
      if (part == Part::kDropped) {
        loaded_.dropped += end - first;
      } else if (options_.wanted == RowsWanted::kAll ||
                 train == (options_.wanted == RowsWanted::kTrain)) {
        AppendRows(block, first, end,
                   part == Part::kTrain   ? &loaded_.train
                   : part == Part::kValid ? &loaded_.valid
                                          : &loaded_.test);
      }
      first = end;
    }
  }

  // Margins came a row after the other.
  void ByOutput(BinnedRows* part) const {
    if (outputs_ == 1 || part->margins.empty()) return;
    const auto outputs = static_cast<std::size_t>(outputs_);
    std::vector<float> margins(part->margins.size());
    for (std::size_t r = 0; r < part->rows; ++r) {
      for (std::size_t m = 0; m < outputs; ++m)
        margins[m * part->rows + r] = part->margins[r * outputs + m];
    }
    part->margins = std::move(margins);
  }

  void AppendRows(const BinnedBlock& block, std::size_t first, std::size_t end,
                  BinnedRows* to) {
    if (margins_) margins_->Append(block, first, end);
    if (bins_.sparse) {
      std::uint64_t at = to->row_begin.back();
      const std::uint64_t begin = block.row_begin[first];
      to->cells.Grow(at + block.row_begin[end] - begin);
      std::copy(block.cells.begin() + static_cast<std::ptrdiff_t>(begin),
                block.cells.begin() + block.row_begin[end], to->cells.data() + at);
      for (std::size_t r = first; r < end; ++r)
        to->row_begin.push_back(at + block.row_begin[r + 1] - begin);
    } else {
      const std::size_t stride = to->stride;
      to->bins.Grow((to->rows + end - first) * stride + 64);
      std::copy(block.bins.begin() + static_cast<std::ptrdiff_t>(first * stride),
                block.bins.begin() + static_cast<std::ptrdiff_t>(end * stride),
                to->bins.data() + to->rows * stride);
    }
    const auto from = static_cast<std::ptrdiff_t>(first), until = static_cast<std::ptrdiff_t>(end);
    to->labels.insert(to->labels.end(), block.labels.begin() + from, block.labels.begin() + until);
    if (!block.weights.empty()) {
      to->weights.insert(to->weights.end(), block.weights.begin() + from,
                         block.weights.begin() + until);
    }
    if (!block.margins.empty()) {
      to->margins.insert(to->margins.end(), block.margins.begin() + from * outputs_,
                         block.margins.begin() + until * outputs_);
    }
    to->rows += end - first;
  }

  const DataFiles& files_;
  const BinPlan& bins_;
  const RowSplit* const split_;
  const LoadOptions& options_;
  const RowBinner binner_;
  const std::ptrdiff_t outputs_;  // margins of a row, where it has some
  std::unique_ptr<ValueParser> parser_;
  BadRows bad_rows_;
  std::vector<std::size_t> targets_;      // columns with target statistics
  std::optional<ColumnCut> cut_;          // where not all columns are kept
  std::optional<BlockMargins> margins_;   // of grown trees
  LoadedRows loaded_;                     // appended to by one thread at a time
};

}  // namespace

absl::StatusOr<LoadedRows> LoadRows(const DataFiles& files, const features::Plan& plan,
                                    const BinPlan& bins, const RowSplit* split,
                                    const LoadOptions& options) {
  return Loader(files, plan, bins, split, options).Run();
}

}  // namespace ps
