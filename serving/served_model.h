// A bundle opened to answer requests: the scorer that evaluation uses, and what names and texts of a
// request's cells mean to it. Immutable after construction: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "models/scoring/model_scorer.h"
#include "models/scoring/unlabelled_rows.h"

namespace ps {

enum class RowFormat { kTable, kLibsvm, kVowpalWabbit };

class ServedModel {
 public:
  // A bundle that is replaced meanwhile is opened anew: what is returned is one whole bundle. Errors as
  // of Bundle::Open and ModelScorer; Unavailable when it is replaced faster than it can be opened.
  static absl::StatusOr<std::shared_ptr<const ServedModel>> Open(const std::string& dir);
  // Checksum of the manifest, which has those of all other files, as a decimal number: equal bundles
  // have equal versions, wherever they lie.
  static absl::StatusOr<std::string> VersionAt(const std::string& dir);

  const ModelScorer& scorer() const { return *scorer_; }
  const UnlabelledRows& rows() const { return *rows_; }
  const BundleInfo& info() const { return scorer_->bundle().info(); }
  const std::string& version() const { return version_; }
  double opened_at() const { return opened_at_; }  // Unix time, in seconds

  RowFormat format() const { return format_; }
  // Of tables. Names are those of the training data, label and weight among them.
  std::optional<std::uint32_t> ColumnNamed(std::string_view name) const;
  // Its values look like numbers: flags in it are 1 and 0.
  bool IsNumeric(std::uint32_t column) const { return numeric_[column]; }
  // Whether all that read it read numbers, so that one may be written in other digits: 7 or 7.0.
  bool ReadsNumbers(std::uint32_t column) const { return numeric_[column] && !text_[column]; }
  const std::string& missing_text() const { return missing_text_; }  // a field without a value

  // Names of the outputs' classes that JSON can hold.
  const std::vector<std::string>& class_names() const { return class_names_; }

 private:
  ServedModel() = default;
  static absl::StatusOr<std::shared_ptr<ServedModel>> OpenOnce(const std::string& dir);
  void ReadPlan();

  std::unique_ptr<const ModelScorer> scorer_;
  std::unique_ptr<const UnlabelledRows> rows_;
  std::string version_;
  double opened_at_ = 0;
  RowFormat format_ = RowFormat::kTable;
  absl::flat_hash_map<std::string, std::uint32_t> columns_;
  std::vector<bool> numeric_;  // by column
  std::vector<bool> text_;     // some part of the model reads it as a text
  std::string missing_text_;
  std::vector<std::string> class_names_;
};

}  // namespace ps
