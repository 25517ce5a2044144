#include "trainer/data_sample.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "models/data/line_source.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint64_t kWholeBelow = kSampledPieces * kSampledPieceBytes;
// Text by stored byte of compressed files, before any is read: decides only how pieces are shared
// out.
constexpr double kUsualRatio = 4;

class Sampler {
 public:
  explicit Sampler(const DataFiles& files) : files_(files), reader_(RangeReader::Create(files)) {}

  absl::StatusOr<DataSample> Run() {
    if (files_.stored_bytes() <= kWholeBelow) {
      PS_ASSIGN_OR_RETURN(const bool whole, ReadAll());
      if (whole) {
        sample_.whole = true;
        return std::move(sample_);
      }
    }
    sample_.pieces.clear();
    compressed_.clear();
    text_bytes_ = 0;
    PS_RETURN_IF_ERROR(ReadSpread());
    const double all = AllBytes();
    if (all > 0) sample_.part = static_cast<double>(text_bytes_) / all;
    return std::move(sample_);
  }

 private:
  bool IsPlain(std::uint32_t file) const {
    return files_.files()[file].compression == Compression::kNone;
  }

  CompressedLines& Lines(std::uint32_t file) {
    return compressed_.try_emplace(file, files_.files()[file]).first->second;
  }

  // The lines that begin in a piece of a plain file, or the next ones of a compressed file.
  absl::Status Take(std::uint32_t file, std::uint64_t begin) {
    DataSample::Piece piece;
    piece.file = file;
    if (IsPlain(file)) {
      PS_RETURN_IF_ERROR(
          reader_->Read({file, begin, begin + kSampledPieceBytes}, &piece.text, &piece.offset));
    } else {
      CompressedLines& lines = Lines(file);
      const std::uint64_t next = lines.next_offset();
      PS_RETURN_IF_ERROR(lines.Read({next, next + kSampledPieceBytes}, &piece.text, &piece.offset));
    }
    text_bytes_ += piece.text.size();
    if (!piece.text.empty()) sample_.pieces.push_back(std::move(piece));
    return absl::OkStatus();
  }

  // False when compressed files turn out to hold more than kWholeBelow.
  absl::StatusOr<bool> ReadAll() {
    for (std::uint32_t file = 0; file < files_.files().size(); ++file) {
      const std::uint64_t stored = files_.files()[file].stored_bytes;
      for (std::uint64_t begin = 0; IsPlain(file) ? begin < stored : !Lines(file).at_end();
           begin += kSampledPieceBytes) {
        PS_RETURN_IF_ERROR(Take(file, begin));
        if (text_bytes_ > kWholeBelow) return false;
      }
    }
    return true;
  }

  double GuessedBytes(std::uint32_t file) const {
    return static_cast<double>(files_.files()[file].stored_bytes) *
           (IsPlain(file) ? 1 : kUsualRatio);
  }

  absl::Status ReadSpread() {
    double all = 0;
    for (std::uint32_t file = 0; file < files_.files().size(); ++file) all += GuessedBytes(file);
    const double step = all / kSampledPieces;
    double before = 0;       // bytes of the files before this one
    double next = step / 2;  // where among all bytes the next piece is taken
    for (std::uint32_t file = 0; file < files_.files().size(); ++file) {
      const double after = before + GuessedBytes(file);
      std::uint64_t taken_to = 0;
      for (; next < after; next += step) {
        const std::uint64_t begin =
            static_cast<std::uint64_t>(next - before) / kSampledPieceBytes * kSampledPieceBytes;
        if (IsPlain(file) && begin < taken_to) continue;
        taken_to = begin + kSampledPieceBytes;
        PS_RETURN_IF_ERROR(Take(file, begin));
      }
      before = after;
    }
    return absl::OkStatus();
  }

  double AllBytes() const {
    double text = 0, stored = 0;
    for (const auto& [file, lines] : compressed_) {
      text += static_cast<double>(lines.decompressed_position());
      stored += static_cast<double>(lines.stored_position());
    }
    const double ratio = stored > 0 ? text / stored : kUsualRatio;
    double all = 0;
    for (std::uint32_t file = 0; file < files_.files().size(); ++file) {
      const auto stored_bytes = static_cast<double>(files_.files()[file].stored_bytes);
      const auto lines = compressed_.find(file);
      if (IsPlain(file)) {
        all += stored_bytes;
      } else if (lines == compressed_.end()) {
        all += stored_bytes * ratio;
      } else if (lines->second.at_end() || lines->second.stored_position() == 0) {
        all += static_cast<double>(lines->second.decompressed_position());
      } else {
        all += static_cast<double>(lines->second.decompressed_position()) * stored_bytes /
               static_cast<double>(lines->second.stored_position());
      }
    }
    return all;
  }

  const DataFiles& files_;
  const std::unique_ptr<RangeReader> reader_;            // plain files
  std::map<std::uint32_t, CompressedLines> compressed_;  // by file
  std::uint64_t text_bytes_ = 0;
  DataSample sample_;
};

}  // namespace

absl::StatusOr<DataSample> SampleData(const DataFiles& files) { return Sampler(files).Run(); }

absl::StatusOr<double> EstimateLines(const DataFiles& files) {
  PS_ASSIGN_OR_RETURN(const DataSample sample, SampleData(files));
  double lines = 0;
  for (const DataSample::Piece& piece : sample.pieces) {
    lines += static_cast<double>(std::count(piece.text.begin(), piece.text.end(), '\n'));
    lines += piece.text.back() != '\n';  // the last of a file
  }
  return lines / sample.part;
}

}  // namespace ps
