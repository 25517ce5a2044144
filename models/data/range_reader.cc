#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/data/data_files.h"
#include "models/data/input_file.h"
#include "models/data/line_source.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Keeps the file of the last range open, since the next one is mostly of the same file.
class FileRangeReader final : public RangeReader {
 public:
  explicit FileRangeReader(std::vector<DataFile> files) : files_(std::move(files)) {}

  absl::Status Read(const FileRange& range, std::string* text,
                    std::uint64_t* first_offset) override {
    if (range.file >= files_.size()) {
      return absl::OutOfRangeError(
          absl::StrCat("range of file ", range.file, ", but there are ", files_.size(), " files"));
    }
    if (open_file_ != range.file) {
      plain_.reset();
      compressed_.reset();
      open_file_.reset();
      const DataFile& file = files_[range.file];
      if (file.compression == Compression::kNone) {
        PS_ASSIGN_OR_RETURN(plain_, InputFile::Open(file.path));
      } else {
        compressed_ = std::make_unique<CompressedLines>(file);
      }
      open_file_ = range.file;
    }
    const ByteRange bytes{range.begin, range.end};
    if (plain_.has_value()) return ReadPlainLines(*plain_, bytes, text, first_offset);
    const absl::Status status = compressed_->Read(bytes, text, first_offset);
    if (!status.ok()) open_file_.reset();  // a stream that failed is not to be read on from
    return status;
  }

 private:
  const std::vector<DataFile> files_;
  std::optional<std::uint32_t> open_file_;
  std::optional<InputFile> plain_;
  std::unique_ptr<CompressedLines> compressed_;
};

}  // namespace

std::unique_ptr<RangeReader> RangeReader::Create(const DataFiles& files) {
  return std::make_unique<FileRangeReader>(files.files());
}

}  // namespace ps
