#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/libsvm_parser.h"
#include "models/gbdt/value_rows.h"
#include "ps/base/key.h"

namespace ps {
namespace {

// The one libsvm parser decides what a row is; here its keys become indices again.
class LibsvmValues final : public ValueParser {
 public:
  LibsvmValues(int index_base, LabelReading labels)
      : labels_(labels),
        parser_(index_base, labels.rule == LabelRule::kBinary ? LibsvmLabels::kBinary : LibsvmLabels::kNumbers),
        base_(static_cast<std::uint64_t>(index_base)) {}

  void Parse(std::string_view text, TextOrigin origin, const RowSample& sample,
             ValueRows* out) const override {
    RowBlock parsed;
    parser_.Parse(text, origin, &parsed);
    RowBlock& rows = out->rows;
    rows.file = origin.file;
    rows.lines += parsed.lines;
    rows.bad_rows += parsed.bad_rows;
    for (BadRow& bad : parsed.bad) {
      if (rows.bad.size() < RowBlock::kMaxQuoted) rows.bad.push_back(std::move(bad));
    }
    out->index.reserve(out->index.size() + parsed.features());
    out->values.reserve(out->values.size() + parsed.features());
    for (std::size_t r = 0; r < parsed.rows(); ++r) {
      const std::uint64_t offset = parsed.row_offset[r];
      const bool taken = sample.Takes(origin.file, offset);
      if (!taken && !labels_.looks_for_classes()) {
        ++out->skipped;
        continue;
      }
      const std::size_t before = out->index.size();
      float label = parsed.label[r];
      std::string what, name;
      if (labels_.rule == LabelRule::kClass) what = ReadClass(&label, &name);
      if (what.empty() && !AddFeatures(parsed, r, out))
        what = absl::StrCat("trees take indices below ", kMostSparseColumns);
      if (!what.empty()) {
        QuoteBadRow(text.substr(offset - origin.offset), {origin.file, offset}, 1, what, &rows);
        continue;
      }
      if (labels_.looks_for_classes()) ++out->classes[name];
      if (!taken) {
        out->index.resize(before);
        out->values.resize(before);
        ++out->skipped;
        continue;
      }
      rows.label.push_back(label);
      rows.row_offset.push_back(offset);
      rows.row_begin.push_back(static_cast<std::uint32_t>(out->index.size()));
    }
  }

 private:
  // The class's number in place of its own. Empty, or what is wrong.
  std::string ReadClass(float* label, std::string* name) const {
    if (!ClassOfNumber(*label, name))
      return absl::StrCat("a class must be a whole number of at most 2^24, found ", *label);
    if (labels_.classes == nullptr) return "";
    const auto found = labels_.classes->find(*name);
    if (found == labels_.classes->end()) return NoClass(*name);
    *label = static_cast<float>(found->second);
    return "";
  }

  bool AddFeatures(const RowBlock& parsed, std::size_t row, ValueRows* out) const {
    const std::size_t first = out->index.size();
    bool ascending = true;
    for (std::uint32_t i = parsed.row_begin[row]; i < parsed.row_begin[row + 1]; ++i) {
      const std::uint64_t index = UnmixKey64(parsed.key[i]) - base_;
      if (index >= kMostSparseColumns) {
        out->index.resize(first);
        out->values.resize(first);
        return false;
      }
      const auto column = static_cast<std::uint32_t>(index);
      ascending &= out->index.size() == first || column > out->index.back();
      out->index.push_back(column);
      out->values.push_back(parsed.value.empty() ? 1.0f : parsed.value[i]);
    }
    if (!ascending) SortRow(first, out);
    return true;
  }

  static void SortRow(std::size_t first, ValueRows* out) {
    std::vector<std::pair<std::uint32_t, float>> row;
    for (std::size_t i = first; i < out->index.size(); ++i)
      row.emplace_back(out->index[i], out->values[i]);
    std::sort(row.begin(), row.end());
    for (std::size_t i = 0; i < row.size(); ++i) {
      out->index[first + i] = row[i].first;
      out->values[first + i] = row[i].second;
    }
  }

  const LabelReading labels_;
  const LibsvmParser parser_;
  const std::uint64_t base_;
};

}  // namespace

std::unique_ptr<ValueParser> MakeLibsvmValues(int index_base, LabelReading labels) {
  return std::make_unique<LibsvmValues>(index_base, labels);
}

}  // namespace ps
