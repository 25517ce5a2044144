// The first reading: a sample of the rows, and bins chosen from it.
#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/crew.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/libsvm_bins.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/target_planner.h"

namespace ps {
namespace {

constexpr std::uint64_t kSampleBlockBytes = 512 << 10;
// One row in 2^h, so that about `wanted` of `all` are taken.
int Halvings(double all, double wanted) {
  int halvings = 0;
  while (all > 1.5 * wanted && halvings < 60) {
    all /= 2;
    ++halvings;
  }
  return halvings;
}

class Planner {
 public:
  Planner(const DataFiles& files, const features::Plan& plan, const LoadOptions& options)
      : files_(files), plan_(plan), options_(options) {}

  absl::StatusOr<std::unique_ptr<BinPlan>> Run() {
    auto bins = std::make_unique<BinPlan>();
    bins->libsvm = plan_.format() == "libsvm";
    bins->classes = options_.classes;
    bins->class_numbers = NumberClasses(bins->classes);
    const LabelReading labels{options_.labels, bins->classes.empty() ? nullptr : &bins->class_numbers};
    if (bins->libsvm) {
      parser_ = MakeLibsvmValues(plan_.index_base(), labels);
    } else {
      PS_ASSIGN_OR_RETURN(bins->sources, ColumnsOfPlan(plan_));
      if (options_.start != nullptr) PS_RETURN_IF_ERROR(KeepKinds(&bins->sources));
      PS_RETURN_IF_ERROR(MarkTargetColumns(options_, &bins->sources));
      parser_ = MakeTableValues(plan_, bins->sources, labels);
    }
    PS_RETURN_IF_ERROR(ChooseSample(bins->libsvm));
    PS_RETURN_IF_ERROR(Read());
    if (labels.looks_for_classes()) PS_RETURN_IF_ERROR(TakeClasses(bins.get()));
    for (const TakenRows& taken : taken_) {
      bins->rows += taken.lines;
      bins->sample_rows += taken.rows;
    }
    if (bins->libsvm) {
      PS_RETURN_IF_ERROR(ChooseLibsvmBins(options_, plan_.index_base(), &taken_, bins.get()));
    } else {
      PS_RETURN_IF_ERROR(ChooseTableBins(bins.get()));
    }
    if (options_.start != nullptr && options_.start_cuts)
      PS_RETURN_IF_ERROR(CutAtThresholds(bins.get()));
    return bins;
  }

 private:
  // What the columns of trees to start from were, they stay, whatever the sample looks like.
  absl::Status KeepKinds(std::vector<ValueColumn>* sources) const {
    for (const TreeColumn& column : options_.start->columns) {
      const auto at =
          std::find_if(sources->begin(), sources->end(),
                       [&](const ValueColumn& source) { return source.name == column.name; });
      if (at == sources->end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("model.warm_start: its trees ask for column '", column.name,
                         "', which this job's data do not have among their features"));
      }
      at->kind = column.kind;
      at->text_is_missing = column.text_is_missing;
      at->by_target = column.target != nullptr;
      at->target = column.target;
    }
    return absl::OkStatus();
  }

  // The column of trees to start from that has this name, or null.
  const TreeColumn* StartColumn(const std::string& name) const {
    if (options_.start == nullptr) return nullptr;
    for (const TreeColumn& column : options_.start->columns) {
      if (column.name == name) return &column;
    }
    return nullptr;
  }

  absl::Status CutAtThresholds(BinPlan* bins) const {
    std::vector<std::vector<float>> cuts(options_.start->columns.size());
    for (const Tree& tree : options_.start->trees) {
      for (const TreeNode& node : tree.nodes) {
        if (node.kind == ColumnKind::kNumber) cuts[node.column].push_back(node.threshold);
      }
    }
    const auto key_of = [&](const std::string& name, std::uint32_t source) {
      return bins->libsvm ? absl::StrCat(source) : name;
    };
    absl::flat_hash_map<std::string, std::size_t> start_of_key;
    for (std::size_t c = 0; c < cuts.size(); ++c) {
      const TreeColumn& column = options_.start->columns[c];
      start_of_key.emplace(key_of(column.name, column.source), c);
    }
    for (std::size_t c = 0; c < bins->columns.size(); ++c) {
      BinColumn& column = bins->columns[c];
      column.cuts.clear();
      const auto at = start_of_key.find(key_of(column.name, bins->sources[c].source));
      if (at == start_of_key.end()) continue;
      std::vector<float>& of_column = cuts[at->second];
      std::sort(of_column.begin(), of_column.end());
      of_column.erase(std::unique(of_column.begin(), of_column.end()), of_column.end());
      if (of_column.size() >= kMostBins) {
        return absl::InvalidArgumentError(absl::StrCat(
            "model.gbdt.refit: the trees have ", of_column.size(), " thresholds of column ",
            column.name, ", and this version takes ", kMostBins - 1));
      }
      column.cuts = std::move(of_column);
    }
    return absl::OkStatus();
  }

  // The size of the sample follows from the first block: values a row, and bytes a row. It is the
  // same whoever reads.
  absl::Status ChooseSample(bool libsvm) {
    sample_.seed = options_.seed;
    const auto reader = RangeReader::Create(files_);
    PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, files_.DecompressedBytes());
    for (std::uint32_t file = 0; file < files_.files().size(); ++file) {
      std::string text;
      std::uint64_t offset = 0;
      PS_RETURN_IF_ERROR(reader->Read({file, 0, kSampleBlockBytes}, &text, &offset));
      if (text.empty()) continue;
      ValueRows head;
      parser_->Parse(text, {file, offset}, RowSample(), &head);
      const double share = static_cast<double>(bytes) / static_cast<double>(text.size());
      sample_.halvings = libsvm ? Halvings(share * static_cast<double>(head.values.size()),
                                           static_cast<double>(options_.sample_values))
                                : Halvings(share * static_cast<double>(head.rows.rows()),
                                           static_cast<double>(options_.sample_rows));
      break;
    }
    return absl::OkStatus();
  }

  absl::Status Read() {
    const std::unique_ptr<BlockStream> stream = BlockStream::Create(files_, kSampleBlockBytes);
    taken_.resize(static_cast<std::size_t>(options_.threads));
    std::vector<std::thread> others;
    for (int t = 1; t < options_.threads; ++t) {
      others.emplace_back(
          [this, t, &stream] { ReadBlocks(stream.get(), &taken_[static_cast<std::size_t>(t)]); });
    }
    ReadBlocks(stream.get(), &taken_[0]);
    for (std::thread& thread : others) thread.join();
    for (const TakenRows& taken : taken_) PS_RETURN_IF_ERROR(taken.status);
    if (options_.stop != nullptr && options_.stop->load())
      return absl::CancelledError("stopped while reading");
    return absl::OkStatus();
  }

  void ReadBlocks(BlockStream* stream, TakenRows* taken) {
    BlockStream::Block block;
    while (options_.stop == nullptr || !options_.stop->load()) {
      const absl::StatusOr<bool> more = stream->Next(&block);
      if (!more.ok()) taken->status = more.status();
      if (!more.ok() || !*more) return;
      ValueRows rows;
      rows.texts = std::move(taken->texts);
      rows.classes = std::move(taken->classes);
      parser_->Parse(block.text, {block.file, block.offset}, sample_, &rows);
      taken->texts = std::move(rows.texts);
      taken->classes = std::move(rows.classes);
      if (taken->classes.size() > kMostClasses) {
        taken->status = CheckClasses(taken->classes);
        return;
      }
      taken->lines += rows.rows.lines;
      taken->rows += rows.rows.rows();
      taken->odd_texts.resize(std::max(taken->odd_texts.size(), rows.odd_texts.size()));
      for (std::size_t c = 0; c < rows.odd_texts.size(); ++c)
        taken->odd_texts[c].Add(rows.odd_texts[c]);
      for (const float label : rows.rows.label)
        taken->largest_label = std::max(taken->largest_label, std::fabs(label));
      if (rows.values.empty()) continue;
      rows.values.shrink_to_fit();
      taken->values.push_back(std::move(rows.values));
      taken->index.push_back(std::move(rows.index));
    }
  }

  absl::Status TakeClasses(BinPlan* bins) const {
    TextCounts classes;
    for (const TakenRows& taken : taken_) {
      for (const auto& [text, count] : taken.classes) classes[text] += count;
    }
    PS_RETURN_IF_ERROR(CheckClasses(classes));
    bins->classes = OrderClasses(classes);
    bins->class_numbers = NumberClasses(bins->classes);
    return absl::OkStatus();
  }

  absl::Status ChooseTableBins(BinPlan* bins) {
    const std::size_t columns = bins->sources.size();
    bins->columns.resize(columns);
    bins->category_bins.resize(columns);
    std::vector<std::size_t> distinct(columns);
    Crew crew(options_.threads);
    crew.ForEach(columns, [&](int, std::size_t c) {
      BinColumn& column = bins->columns[c];
      column.name = bins->sources[c].name;
      column.kind = bins->sources[c].kind;
      if (column.kind == ColumnKind::kCategory) {
        distinct[c] = ChooseCategories(c, &column);
        for (std::size_t i = 0; i < column.categories.size(); ++i) {
          bins->category_bins[c].emplace(column.categories[i], static_cast<std::uint8_t>(i + 1));
        }
        return;
      }
      if (bins->sources[c].by_target) return;
      std::vector<float> values;
      for (const TakenRows& taken : taken_) {
        for (const std::vector<float>& block : taken.values) {
          for (std::size_t i = c; i < block.size(); i += columns) {
            if (block[i] == block[i]) values.push_back(block[i]);
          }
        }
      }
      column.cuts = ChooseCuts(CountValues(&values), options_.max_bins, 1);
    });
    for (std::size_t c = 0; c < columns; ++c) {
      if (bins->columns[c].kind == ColumnKind::kCategory)
        bins->sources[c].bins = &bins->category_bins[c];
    }
    float largest_label = 0;
    for (const TakenRows& taken : taken_) largest_label = std::max(largest_label, taken.largest_label);
    DescribeOddTexts(bins);
    taken_.clear();
    return MakeTargetTables(files_, plan_, options_, distinct, largest_label, bins);
  }

  // Texts where the sample has numbers otherwise: they would be missing without a word.
  void DescribeOddTexts(BinPlan* bins) const {
    std::vector<OddTexts> odd(bins->sources.size());
    for (const TakenRows& taken : taken_) {
      for (std::size_t c = 0; c < taken.odd_texts.size(); ++c) odd[c].Add(taken.odd_texts[c]);
    }
    for (std::size_t c = 0; c < odd.size(); ++c) {
      if (odd[c].count == 0) continue;
      absl::StrAppend(&bins->odd_texts, bins->odd_texts.empty() ? "" : "\n", "warning: column ",
                      bins->sources[c].name, ": ", odd[c].count, " of ", bins->sample_rows,
                      " rows have a text that is no number, as '", odd[c].first, "' (",
                      files_.files()[odd[c].file].path, ", byte ", odd[c].offset,
                      "): taken as missing. Add it to data.missing, or declare the column in features");
    }
  }

  // The commonest texts, as many as there are bins. Returns how many the sample has.
  std::size_t ChooseCategories(std::size_t c, BinColumn* column) const {
    TextCounts counts;
    for (const TakenRows& taken : taken_) {
      if (taken.texts.size() <= c) continue;
      for (const auto& [text, count] : taken.texts[c]) counts[text] += count;
    }
    const std::size_t distinct = counts.size();
    if (const TreeColumn* const start = StartColumn(column->name); start != nullptr) {
      column->categories = start->categories;
      for (const std::string& text : start->categories) counts.erase(text);
    }
    std::vector<std::pair<std::uint64_t, std::string>> order;
    for (const auto& [text, count] : counts) order.emplace_back(~count, text);
    std::sort(order.begin(), order.end());
    const auto most = static_cast<std::size_t>(options_.max_bins);
    for (std::size_t i = 0; i < order.size() && column->categories.size() < most; ++i)
      column->categories.push_back(order[i].second);
    return distinct;
  }

  const DataFiles& files_;
  const features::Plan& plan_;
  const LoadOptions& options_;
  RowSample sample_;
  std::unique_ptr<ValueParser> parser_;
  std::vector<TakenRows> taken_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BinPlan>> PlanBins(const DataFiles& files,
                                                  const features::Plan& plan,
                                                  const LoadOptions& options) {
  return Planner(files, plan, options).Run();
}

}  // namespace ps
