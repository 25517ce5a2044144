#include "evaluation/prediction_writer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

template <typename Number>
void AppendNumber(Number value, char separator, std::string* text) {
  char digits[32];
  text->append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  text->push_back(separator);
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace

absl::StatusOr<std::unique_ptr<PredictionWriter>> PredictionWriter::Create(const std::string& path,
                                                                          const PredictionColumns& columns) {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file, OutputFile::Create(path));
  std::unique_ptr<PredictionWriter> writer(new PredictionWriter(std::move(file)));
  writer->numbers_ = columns.numbers;
  writer->labels_ = columns.labels;
  for (const std::string& name : columns.classes) writer->classes_.push_back(CsvField(name));
  writer->text_ = columns.labels ? "row,label" : "row";
  writer->text_ += columns.classes.empty() && !columns.numbers ? ",margin,probability" : ",predicted";
  for (const std::string& name : columns.classes) absl::StrAppend(&writer->text_, ",", CsvField("probability_" + name));
  writer->text_ += "\n";
  PS_RETURN_IF_ERROR(writer->Append({}, {}));
  return writer;
}

void PredictionWriter::AppendClasses(absl::Span<const float> labels, absl::Span<const float> margins) {
  const std::size_t classes = classes_.size();
  std::vector<float> probabilities(margins.begin(), margins.end());
  SoftmaxProbabilities(classes, &probabilities);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto first = margins.begin() + static_cast<std::ptrdiff_t>(i * classes);
    const auto likeliest = static_cast<std::size_t>(
        std::max_element(first, first + static_cast<std::ptrdiff_t>(classes)) - first);
    AppendNumber(rows_++, ',', &text_);
    if (labels_) absl::StrAppend(&text_, classes_[static_cast<std::size_t>(labels[i])], ",");
    absl::StrAppend(&text_, classes_[likeliest], ",");
    for (std::size_t c = 0; c < classes; ++c)
      AppendNumber(probabilities[i * classes + c], c + 1 < classes ? ',' : '\n', &text_);
  }
}

void PredictionWriter::AppendNumbers(absl::Span<const float> labels, absl::Span<const float> margins) {
  for (std::size_t i = 0; i < margins.size(); ++i) {
    AppendNumber(rows_++, ',', &text_);
    if (labels_) AppendNumber(labels[i], ',', &text_);
    AppendNumber(margins[i], numbers_ ? '\n' : ',', &text_);
    if (!numbers_) AppendNumber(static_cast<float>(Sigmoid(margins[i])), '\n', &text_);
  }
}

absl::Status PredictionWriter::Append(absl::Span<const float> labels,
                                      absl::Span<const float> margins) {
  if (classes_.empty()) {
    AppendNumbers(labels, margins);
  } else {
    AppendClasses(labels, margins);
  }
  const bool written = std::fwrite(text_.data(), 1, text_.size(), file_->file()) == text_.size();
  text_.clear();
  return written ? absl::OkStatus() : FileError("write", file_->path(), errno);
}

absl::Status PredictionWriter::Close() { return file_->Finish(); }

}  // namespace ps
