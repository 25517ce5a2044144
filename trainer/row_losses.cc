#include "trainer/row_losses.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/metrics/metrics.h"
#include "ps/base/file.h"
#include "ps/base/key.h"

namespace ps {
namespace {

constexpr char kMagic[8] = {'H', 'P', 'L', 'O', 'S', 'S', '0', '1'};
constexpr std::size_t kRowsAtOnce = 4096;

struct Header {
  char magic[8] = {};  // zeros until the file is whole
  std::uint64_t rows = 0, digest = 0;
};
struct Row {
  float loss, weight;
};
static_assert(sizeof(Header) == 24 && sizeof(Row) == 8);

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Null: not there, or not whole.
File OpenWhole(const std::string& path, Header* header) {
  File file(std::fopen(path.c_str(), "rb"), std::fclose);
  const bool whole = file != nullptr && std::fread(header, sizeof(Header), 1, file.get()) == 1 &&
                     std::memcmp(header->magic, kMagic, sizeof(kMagic)) == 0;
  if (!whole) file.reset();
  return file;
}

}  // namespace

absl::StatusOr<RowLossFile> RowLossFile::Create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return FileError("create", path, errno);
  RowLossFile losses(path, file);
  const Header header;
  if (std::fwrite(&header, sizeof(header), 1, file) != 1) losses.error_ = errno;
  return losses;
}

void RowLossFile::Add(absl::Span<const float> losses, absl::Span<const float> labels, absl::Span<const float> weights) {
  std::array<Row, kRowsAtOnce> rows;
  for (std::size_t begin = 0; begin < losses.size(); begin += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, losses.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const float weight = weights.empty() ? 1.0f : weights[begin + i];
      rows[i] = {losses[begin + i], weight};
      const std::uint64_t label_bits = std::bit_cast<std::uint32_t>(labels[begin + i]);
      digest_ = Mix64(digest_ + (label_bits << 32 | std::bit_cast<std::uint32_t>(weight)));
    }
    if (std::fwrite(rows.data(), sizeof(Row), count, file_.get()) != count && error_ == 0) error_ = errno;
  }
  rows_ += losses.size();
}

void RowLossFile::AddMargins(absl::Span<const float> margins, absl::Span<const float> labels,
                             absl::Span<const float> weights) {
  std::array<float, kRowsAtOnce> losses;
  for (std::size_t begin = 0; begin < margins.size(); begin += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, margins.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      losses[i] = static_cast<float>(LogLoss(margins[begin + i], labels[begin + i]));
    }
    Add({losses.data(), count}, labels.subspan(begin, count), weights.empty() ? weights : weights.subspan(begin, count));
  }
}

absl::Status RowLossFile::Finish() {
  Header header{.rows = rows_, .digest = digest_};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  std::FILE* const file = file_.get();
  const bool written = std::fseek(file, 0, SEEK_SET) == 0 && std::fwrite(&header, sizeof(header), 1, file) == 1;
  if (!written && error_ == 0) error_ = errno;
  if (std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
  return error_ == 0 ? absl::OkStatus() : FileError("write", path_, error_);
}

std::string LossesNotKept(const absl::Status& status) {
  return absl::StrCat("warning: how sure the order of trials is cannot be said of this one: ", status.message());
}

std::optional<LossGap> CompareRowLosses(const ScaledLosses& one, const ScaledLosses& other) {
  Header header, other_header;
  const File file = OpenWhole(one.path, &header), other_file = OpenWhole(other.path, &other_header);
  if (file == nullptr || other_file == nullptr) return std::nullopt;
  if (header.rows == 0 || header.rows != other_header.rows || header.digest != other_header.digest) return std::nullopt;
  double weights = 0, squared_weights = 0, sum = 0, weighted = 0, squares = 0;
  std::array<Row, kRowsAtOnce> rows, other_rows;
  for (std::uint64_t done = 0; done < header.rows;) {
    const std::size_t count = std::min<std::uint64_t>(kRowsAtOnce, header.rows - done);
    if (std::fread(rows.data(), sizeof(Row), count, file.get()) != count) return std::nullopt;
    if (std::fread(other_rows.data(), sizeof(Row), count, other_file.get()) != count) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      const double w = rows[i].weight, gap = one.scale * rows[i].loss - other.scale * other_rows[i].loss;
      weights += w;
      squared_weights += w * w;
      sum += w * gap;
      weighted += w * w * gap;
      squares += w * w * gap * gap;
    }
    done += count;
  }
  const double mean = sum / weights;
  const double square = squares - 2 * mean * weighted + mean * mean * squared_weights;
  const LossGap gap{mean, std::sqrt(std::max(0.0, square)) / weights};
  if (!std::isfinite(gap.mean) || !std::isfinite(gap.error)) return std::nullopt;
  return gap;
}

}  // namespace ps
