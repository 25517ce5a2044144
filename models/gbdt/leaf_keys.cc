#include "models/gbdt/leaf_keys.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "models/data/libsvm_parser.h"
#include "models/features/plan.h"
#include "models/features/table_parser.h"
#include "models/gbdt/bundle_trees.h"
#include "models/gbdt/value_rows.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint32_t kNoColumn = 0xffffffffu;
// A row has a key for each.
constexpr std::size_t kMostTrees = 10000;
// The plan is sent to every node of a cluster in one message (kMaxBodyBytes of ps/wire/frame.h).
constexpr std::size_t kMostTreeBytes = std::size_t{32} << 20;

class Placement {
 public:
  Placement(const Bundle& bundle, const std::string& path, features::Plan* plan)
      : bundle_(bundle), path_(path), plan_(*plan) {}

  absl::Status Place() {
    if (bundle_.info().model_type != "gbdt")
      return Unfit(absl::StrCat("is a model of type ", bundle_.info().model_type, ", not of trees"));
    PS_ASSIGN_OR_RETURN(TreeModel model, ReadTrees(bundle_));
    PS_ASSIGN_OR_RETURN(const std::string extractor, bundle_.ReadFile(kExtractorName));
    features::Plan had;
    if (!had.ParseFromString(extractor)) return Unfit("has a feature plan that cannot be read");
    if (model.trees.size() > kMostTrees)
      return Unfit(absl::StrCat("has ", model.trees.size(), " trees; features are made of at most ",
                                kMostTrees));
    const bool had_indices = had.format() == "libsvm", has_indices = plan_.format() == "libsvm";
    if (had_indices != has_indices) {
      const auto name = [](bool indices) { return indices ? "libsvm text" : "tables"; };
      return Unfit(absl::StrCat("was trained on ", name(had_indices), ", this job's data are ",
                                name(has_indices)));
    }
    if (has_indices) {
      if (had.index_base() != plan_.index_base())
        return Unfit(
            absl::StrCat("was trained with data.index_base: ", had.index_base(), ", set the same"));
    } else {
      PS_RETURN_IF_ERROR(PlaceColumns(had, &model));
    }
    model.DropUnusedColumns();
    plan_.set_trees(model.Serialize());
    if (plan_.trees().size() > kMostTreeBytes)
      return Unfit(absl::StrCat("has trees of ", plan_.trees().size() >> 20,
                                " MiB; features are made of at most ", kMostTreeBytes >> 20));
    plan_.set_version(kPlanVersionOfTrees);
    return absl::OkStatus();
  }

 private:
  absl::Status Unfit(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": '", bundle_.dir(), "' ", what));
  }

  // Columns are found by name.
  absl::Status PlaceColumns(const features::Plan& had, TreeModel* model) const {
    const auto missing_of = [](const features::Plan& plan) {
      return std::set<std::string>(plan.missing().begin(), plan.missing().end());
    };
    if (missing_of(had) != missing_of(plan_))
      return Unfit("was trained with another data.missing, set the same");
    for (TreeColumn& column : model->columns) {
      std::uint32_t place = 0;
      for (const features::Column& one : plan_.column()) {
        if (one.name() == column.name) break;
        ++place;
      }
      if (place == static_cast<std::uint32_t>(plan_.column_size()))
        return Unfit(absl::StrCat("asks for column '", column.name,
                                  "', which this job's data do not have"));
      if (place == plan_.label_column())
        return Unfit(absl::StrCat("asks for column '", column.name, "', which is the label"));
      column.source = place;
    }
    return absl::OkStatus();
  }

  const Bundle& bundle_;
  const std::string& path_;
  features::Plan& plan_;
};

// Of a table.
class TableLeaves final : public FurtherKeys {
 public:
  TableLeaves(const features::Plan& plan, const TreeModel& model)
      : leaves_(model), bins_(BinsOf(model)), fields_(plan, ColumnsOf(model, bins_)) {}

  std::size_t max_keys() const override { return leaves_.keys(); }

  int Run(const RowText& row, bool trim, bool inside, std::vector<float>* values, Key* keys,
          std::uint32_t* bad_column) const override {
    values->resize(fields_.columns().size());
    if (!fields_.ReadRow(row, trim, inside, values->data(), bad_column)) return -1;
    leaves_.Of(values->data(), keys);
    return static_cast<int>(leaves_.keys());
  }

 private:
  using Bins = absl::flat_hash_map<std::string, std::uint8_t>;

  static std::vector<Bins> BinsOf(const TreeModel& model) {
    std::vector<Bins> bins(model.columns.size());
    for (std::size_t c = 0; c < bins.size(); ++c) {
      const std::vector<std::string>& categories = model.columns[c].categories;
      for (std::size_t i = 0; i < categories.size(); ++i)
        bins[c].emplace(categories[i], static_cast<std::uint8_t>(i + 1));
    }
    return bins;
  }
  static std::vector<ValueColumn> ColumnsOf(const TreeModel& model, const std::vector<Bins>& bins) {
    std::vector<ValueColumn> columns;
    for (std::size_t c = 0; c < bins.size(); ++c) {
      const TreeColumn& column = model.columns[c];
      columns.push_back(
          {column.source, column.kind, column.name, column.text_is_missing, &bins[c],
           column.target != nullptr, column.target});
    }
    return columns;
  }

  const LeafKeys leaves_;
  const std::vector<Bins> bins_;
  const FieldValues fields_;
};

class LibsvmLeafParser final : public RowParser {
 public:
  LibsvmLeafParser(const features::Plan& plan, const TreeModel& model)
      : parser_(plan.index_base()),
        base_(static_cast<std::uint64_t>(plan.index_base())),
        with_indices_(!plan.without_indices()),
        absent_(model.absent_is_zero ? 0.0f : std::numeric_limits<float>::quiet_NaN()),
        leaves_(model) {
    for (std::size_t c = 0; c < model.columns.size(); ++c) {
      const std::uint32_t source = model.columns[c].source;
      if (source >= column_of_index_.size()) column_of_index_.resize(source + 1, kNoColumn);
      column_of_index_[source] = static_cast<std::uint32_t>(c);
    }
  }

  void Parse(std::string_view text, TextOrigin origin, RowBlock* block) const override {
    RowBlock parsed;
    parser_.Parse(text, origin, &parsed);
    block->file = origin.file;
    block->lines += parsed.lines;
    block->bad_rows += parsed.bad_rows;
    for (BadRow& bad : parsed.bad) {
      if (block->bad.size() < RowBlock::kMaxQuoted) block->bad.push_back(std::move(bad));
    }
    const std::size_t indices = with_indices_ ? parsed.features() : 0;
    block->key.reserve(block->key.size() + indices + parsed.rows() * leaves_.keys());
    if (with_indices_ && !parsed.value.empty()) block->value.resize(block->key.size(), 1.0f);
    std::vector<float> row(leaves_.columns(), absent_);
    for (std::size_t r = 0; r < parsed.rows(); ++r) AddRow(parsed, r, &row, block);
  }

 private:
  void AddRow(const RowBlock& parsed, std::size_t r, std::vector<float>* row,
              RowBlock* block) const {
    const std::uint32_t begin = parsed.row_begin[r], end = parsed.row_begin[r + 1];
    const auto set = [&](auto value_of) {
      for (std::uint32_t i = begin; i < end; ++i) {
        const std::uint64_t index = UnmixKey64(parsed.key[i]) - base_;
        if (index >= column_of_index_.size()) continue;
        if (const std::uint32_t c = column_of_index_[index]; c != kNoColumn) (*row)[c] = value_of(i);
      }
    };
    set([&](std::uint32_t i) { return parsed.value.empty() ? 1.0f : parsed.value[i]; });
    block->label.push_back(parsed.label[r]);
    block->row_offset.push_back(parsed.row_offset[r]);
    std::vector<Key>& keys = block->key;
    const Key* const own = parsed.key.data();
    if (with_indices_) keys.insert(keys.end(), own + begin, own + end);
    const std::size_t first = keys.size();
    keys.resize(first + leaves_.keys());
    leaves_.Of(row->data(), keys.data() + first);
    block->row_begin.push_back(static_cast<std::uint32_t>(keys.size()));
    if (!block->value.empty() || (with_indices_ && !parsed.value.empty())) {
      for (std::uint32_t i = begin; i < end && with_indices_; ++i)
        block->value.push_back(parsed.value.empty() ? 1.0f : parsed.value[i]);
      block->value.resize(keys.size(), 1.0f);
    }
    set([&](std::uint32_t) { return absent_; });
  }

  const LibsvmParser parser_;
  const std::uint64_t base_;
  const bool with_indices_;
  const float absent_;
  const LeafKeys leaves_;
  std::vector<std::uint32_t> column_of_index_;
};

}  // namespace

absl::StatusOr<TreeModel> TreesOfPlan(const features::Plan& plan) {
  if (plan.trees().size() > kMostTreeBytes)
    return absl::InvalidArgumentError("malformed extractor plan: the size of its trees");
  PS_ASSIGN_OR_RETURN(TreeModel model, TreeModel::Parse(plan.trees()));
  if (model.trees.size() > kMostTrees)
    return absl::InvalidArgumentError("malformed extractor plan: the number of its trees");
  const bool libsvm = plan.format() == "libsvm";
  const std::uint64_t most =
      libsvm ? kMostSparseColumns : static_cast<std::uint64_t>(plan.column_size());
  for (const TreeColumn& column : model.columns) {
    // The values of indices are any numbers, not those of categories.
    if (column.source >= most || (libsvm && (column.kind == ColumnKind::kCategory || column.target != nullptr)))
      return absl::InvalidArgumentError("malformed extractor plan: a column of its trees");
  }
  return model;
}

absl::Status AddTrees(const std::string& dir, const std::string& path, features::Plan* plan) {
  const absl::StatusOr<std::unique_ptr<Bundle>> bundle = Bundle::Open(dir);
  if (!bundle.ok()) {
    return absl::Status(bundle.status().code(),
                        absl::StrCat(path, ": ", bundle.status().message()));
  }
  return Placement(**bundle, path, plan).Place();
}

LeafKeys::LeafKeys(const TreeModel& model) : predictor_(model) {
  std::uint32_t at = 0;  // as the predictor numbers them
  for (std::size_t output = 0; output < model.outputs(); ++output) {
    for (std::size_t t = output; t < model.trees.size(); t += model.outputs(), ++at) {
      if (model.trees[t].nodes.empty()) continue;
      tree_.push_back(at);
      seeds_.push_back(FieldSeed(LeafName(t)));
    }
  }
}

void LeafKeys::Of(const float* row, Key* keys) const {
  absl::InlinedVector<std::uint32_t, 256> leaves(predictor_.trees());
  predictor_.Leaves(row, leaves.data());
  for (std::size_t i = 0; i < seeds_.size(); ++i) keys[i] = BucketKey(seeds_[i], leaves[tree_[i]]);
}

absl::flat_hash_map<Key, std::string> LeafNames(const TreeModel& model) {
  absl::flat_hash_map<Key, std::string> names;
  for (std::size_t t = 0; t < model.trees.size(); ++t) {
    const std::uint64_t seed = FieldSeed(LeafName(t));
    for (std::size_t leaf = 0; leaf < model.trees[t].leaf_value.size(); ++leaf)
      names.emplace(BucketKey(seed, leaf), absl::StrCat("tree ", t, " leaf ", leaf));
  }
  return names;
}

std::unique_ptr<RowParser> MakeLeafParser(const features::Plan& plan, const TreeModel& trees) {
  if (plan.format() == "libsvm") return std::make_unique<LibsvmLeafParser>(plan, trees);
  return MakeTableParser(plan, std::make_unique<TableLeaves>(plan, trees));
}

}  // namespace ps
