#include "models/features/table_sample.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <map>

#include "absl/strings/str_cat.h"
#include "models/config/job_config.h"
#include "models/features/delimiter_index.h"
#include "models/features/distinct_count.h"
#include "models/features/field_lanes.h"
#include "models/features/number.h"
#include "models/features/plan.h"
#include "models/features/sort_numbers.h"
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
    hashes_.resize(sample_.columns);
    for (const std::string& text : shape_.missing) {
      missing_sizes_ |= std::uint64_t{1} << std::min<std::size_t>(text.size(), 63);
      if (!text.empty()) missing_first_[static_cast<unsigned char>(text[0])] = true;
    }
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      AddPiece(&pieces_[i]);
      if (i == 0) Reserve();
    }
    DistinctCount distinct;
    for (std::size_t i = 0; i < sample_.columns; ++i) {
      sample_.column[i].distinct = distinct.Of(hashes_[i]);
      SortNumbers(&sample_.column[i].numbers);
    }
    return std::move(sample_);
  }

 private:
  // The header, and the commonest number of fields among the first rows.
  absl::Status CountColumns() {
    std::map<std::size_t, int> votes;
    constexpr int kVotes = 1000;
    int voted = 0;
    for (const SamplePiece& piece : pieces_) {
      if (voted == kVotes && !(shape_.header && piece.offset == 0)) continue;
      PS_RETURN_IF_ERROR(ForEachLine(piece, [&](std::string_view line, std::uint64_t offset) {
        if (shape_.header && offset == 0) return AddHeader(piece.file, line);
        if (voted < kVotes && row_.Split(line, shape_.layout)) {
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

  // The first piece shows how much memory all of them take.
  void Reserve() {
    for (std::size_t i = 0; i < sample_.columns; ++i) {
      hashes_[i].reserve(hashes_[i].size() * (pieces_.size() + 1));
      sample_.column[i].numbers.reserve(sample_.column[i].numbers.size() * (pieces_.size() + 1));
    }
  }

  // Adds the piece's rows. Its text gets a last newline and padding.
  void AddPiece(SamplePiece* piece) {
    std::string& text = piece->text;
    const bool is_begin = piece->offset == 0;
    const std::size_t skipped = is_begin && text.compare(0, 3, "\xef\xbb\xbf") == 0 ? 3 : 0;
    if (text.back() != '\n') text.push_back('\n');
    const std::size_t bytes = text.size() - skipped;
    text.append(DelimiterIndex::kPadding, '\0');
    const char* const begin = text.data() + skipped;
    index_.Build(begin, static_cast<std::uint32_t>(bytes), shape_.layout.delimiter,
                 shape_.layout.quote);
    for (std::uint32_t l = is_begin && shape_.header; l < index_.lines(); ++l) {
      const std::uint32_t first = index_.first(l);
      std::uint32_t* const end = index_.end(first);
      std::uint32_t* const line_end = index_.end(index_.last(l));
      const std::uint32_t line_begin = end[-1] + 1;
      const std::uint32_t newline = *line_end;
      *line_end -= newline > line_begin && begin[newline - 1] == '\r';
      const std::string_view line(begin + line_begin, *line_end - line_begin);
      if (line.empty()) {
      } else if (index_.has_quote() && line.find(shape_.layout.quote) != std::string_view::npos) {
        if (row_.Split(line, shape_.layout) && row_.fields() == sample_.columns) {
          AddRow({row_.text(), row_.ends()}, false);
        }
      } else if (index_.last(l) - first + 1 == sample_.columns) {
        AddRow({begin, end}, shape_.layout.trim);
      }
      *line_end = newline;
    }
  }

  bool IsMissing(std::string_view text) const {
    if (text.empty()) return (missing_sizes_ & 1) != 0;
    if (!missing_first_[static_cast<unsigned char>(text[0])]) return false;
    if ((missing_sizes_ >> std::min<std::size_t>(text.size(), 63) & 1) == 0) return false;
    return std::find(shape_.missing.begin(), shape_.missing.end(), text) != shape_.missing.end();
  }

  void AddRow(const RowText& row, bool trim) {
    ++sample_.rows;
    for (std::uint32_t i = 0; i < sample_.columns; ++i) {
      const std::string_view text = trim ? FieldOf<true>(row, i) : FieldOf<false>(row, i);
      ColumnSample& column = sample_.column[i];
      if (IsMissing(text)) {
        ++column.missing;
        continue;
      }
      const std::uint64_t head = LoadPrefix(text.data(), std::min<std::size_t>(text.size(), 8));
      // Equal when the texts' CategoryKeys are: what the finaliser makes those of.
      hashes_[i].push_back(text.size() <= 8 ? text.size() ^ head
                                            : XXH3_64bits_withSeed(text.data(), text.size(), 0));
      double number;
      if (!HasLetters(head) && (ParseShortInteger(text, &number) || ParseNumber(text, &number))) {
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
  DelimiterIndex index_;
  SplitRow row_;
  std::uint64_t missing_sizes_ = 0;                 // bit min(size, 63) of every missing text
  std::array<bool, 256> missing_first_ = {};        // by the first byte of every missing text
  std::vector<std::vector<std::uint64_t>> hashes_;  // by column, of the values in it
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

TableShape ShapeOf(const DataConfig& data) {
  TableShape shape;
  shape.layout.delimiter = DelimiterOf(data.format);
  if (data.format == DataFormat::kCsv) {
    shape.layout.trim = true;
    if (!data.quote.empty()) shape.layout.quote = data.quote[0];
  }
  shape.header = data.header && data.format != DataFormat::kCriteo;
  shape.missing = data.missing;
  return shape;
}

}  // namespace ps
