#include "evaluation/prediction_writer.h"

#include <cerrno>
#include <charconv>

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

}  // namespace

absl::StatusOr<std::unique_ptr<PredictionWriter>> PredictionWriter::Create(
    const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return FileError("create", path, errno);
  std::unique_ptr<PredictionWriter> writer(new PredictionWriter(path, file));
  writer->text_ = "row,label,margin,probability\n";
  PS_RETURN_IF_ERROR(writer->Append({}, {}));
  return writer;
}

PredictionWriter::~PredictionWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status PredictionWriter::Append(absl::Span<const float> labels,
                                      absl::Span<const float> margins) {
  for (std::size_t i = 0; i < margins.size(); ++i) {
    AppendNumber(rows_++, ',', &text_);
    AppendNumber(labels[i], ',', &text_);
    AppendNumber(margins[i], ',', &text_);
    AppendNumber(static_cast<float>(Sigmoid(margins[i])), '\n', &text_);
  }
  const bool written = std::fwrite(text_.data(), 1, text_.size(), file_) == text_.size();
  text_.clear();
  return written ? absl::OkStatus() : FileError("write", path_, errno);
}

absl::Status PredictionWriter::Close() {
  std::FILE* file = file_;
  file_ = nullptr;
  return std::fclose(file) == 0 ? absl::OkStatus() : FileError("write", path_, errno);
}

}  // namespace ps
