#include "models/features/table_sample.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "models/features/number.h"
#include "ps/base/key.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Calls visit(line, offset) for each line of a piece, without its line end; an empty line is none.
template <typename Visit>
absl::Status ForEachLine(const SamplePiece& piece, const Visit& visit) {
  std::string_view rest = piece.text;
  std::uint64_t offset = piece.offset;
  if (offset == 0 && rest.substr(0, 3) == "\xef\xbb\xbf") rest.remove_prefix(3);
  while (!rest.empty()) {
    const std::size_t newline = rest.find('\n');
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
    const std::uint64_t at = offset;
    offset += line.size() + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty()) PS_RETURN_IF_ERROR(visit(line, at));
  }
  return absl::OkStatus();
}

class Sampler {
 public:
  Sampler(const DataFiles& files, const TableShape& shape) : files_(files), shape_(shape) {}

  absl::StatusOr<TableSample> Run() {
    PS_ASSIGN_OR_RETURN(pieces_, ReadSamplePieces(files_));
    sample_.whole = pieces_.size() < kSamplePieces;
    PS_RETURN_IF_ERROR(CountColumns());
    sample_.column.resize(sample_.columns);
    for (const SamplePiece& piece : pieces_) {
      PS_RETURN_IF_ERROR(ForEachLine(piece, [&](std::string_view line, std::uint64_t offset) {
        if (!(shape_.header && offset == 0)) AddRow(line);
        return absl::OkStatus();
      }));
    }
    for (ColumnSample& column : sample_.column) {
      std::sort(column.numbers.begin(), column.numbers.end());
    }
    return std::move(sample_);
  }

 private:
  // The header, and the commonest number of fields among the first rows.
  absl::Status CountColumns() {
    std::map<std::size_t, int> votes;
    int voted = 0;
    for (const SamplePiece& piece : pieces_) {
      PS_RETURN_IF_ERROR(ForEachLine(piece, [&](std::string_view line, std::uint64_t offset) {
        if (shape_.header && offset == 0) return AddHeader(piece.file, line);
        if (voted < 1000 && row_.Split(line, shape_.layout)) {
          ++votes[row_.fields()];
          ++voted;
        }
        return absl::OkStatus();
      }));
    }
    int most = 0;
    for (const auto& [fields, count] : votes) {
      if (count > most) {
        most = count;
        sample_.columns = fields;
      }
    }
    if (shape_.header && !sample_.header.empty()) sample_.columns = sample_.header.size();
    return absl::OkStatus();
  }

  absl::Status AddHeader(std::uint32_t file, std::string_view line) {
    const std::string& path = files_.files()[file].path;
    if (!row_.Split(line, shape_.layout)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":1: malformed header: ", row_.problem()));
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < row_.fields(); ++i) names.emplace_back(row_.field(i));
    if (sample_.header.empty()) {
      sample_.header = std::move(names);
      header_path_ = path;
    } else if (names != sample_.header) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":1: the header differs from that of ", header_path_));
    }
    return absl::OkStatus();
  }

  bool IsMissing(std::string_view text) const {
    return std::find(shape_.missing.begin(), shape_.missing.end(), text) != shape_.missing.end();
  }

  void AddRow(std::string_view line) {
    if (!row_.Split(line, shape_.layout) || row_.fields() != sample_.columns) return;
    ++sample_.rows;
    for (std::size_t i = 0; i < sample_.columns; ++i) {
      const std::string_view text = row_.field(i);
      ColumnSample& column = sample_.column[i];
      if (IsMissing(text)) {
        ++column.missing;
        continue;
      }
      column.values.insert(CategoryKey(0, text));
      double number;
      if (ParseNumber(text, &number)) {
        column.numbers.push_back(number);
      } else {
        if (column.texts == 0) column.first_text = std::string(text.substr(0, 40));
        ++column.texts;
      }
    }
  }

  const DataFiles& files_;
  const TableShape& shape_;
  std::vector<SamplePiece> pieces_;
  SplitRow row_;
  std::string header_path_;
  TableSample sample_;
};

// Pieces of one file: all of it when small, else `pieces` spread evenly; a compressed file's head.
absl::Status ReadFilePieces(const DataFiles& files, std::uint32_t file, int pieces,
                            RangeReader* reader, std::vector<SamplePiece>* out) {
  const DataFile& data_file = files.files()[file];
  const std::uint64_t total = data_file.compression == Compression::kNone
                                  ? data_file.stored_bytes / kSamplePieceBytes + 1
                                  : static_cast<std::uint64_t>(pieces);
  const std::uint64_t taken = std::min<std::uint64_t>(pieces, total);
  for (std::uint64_t i = 0; i < taken; ++i) {
    const std::uint64_t begin = i * total / taken * kSamplePieceBytes;
    SamplePiece piece;
    piece.file = file;
    PS_RETURN_IF_ERROR(
        reader->Read({file, begin, begin + kSamplePieceBytes}, &piece.text, &piece.offset));
    if (!piece.text.empty()) out->push_back(std::move(piece));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SamplePiece>> ReadSamplePieces(const DataFiles& files) {
  const std::size_t count = files.files().size();
  const std::size_t sampled = std::min<std::size_t>(count, kSamplePieces);
  const std::unique_ptr<RangeReader> reader = RangeReader::Create(files);
  std::vector<SamplePiece> pieces;
  for (std::size_t i = 0; i < sampled; ++i) {
    PS_RETURN_IF_ERROR(ReadFilePieces(files, static_cast<std::uint32_t>(i * count / sampled),
                                      static_cast<int>(kSamplePieces / sampled), reader.get(),
                                      &pieces));
  }
  return pieces;
}

absl::StatusOr<TableSample> SampleTable(const DataFiles& files, const TableShape& shape) {
  return Sampler(files, shape).Run();
}

}  // namespace ps
