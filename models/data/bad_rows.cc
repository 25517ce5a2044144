#include "models/data/bad_rows.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/data/byte_stream.h"
#include "models/data/input_file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;

auto DataOrder(const BadRow& row) { return std::tie(row.file, row.offset); }

// Appends to *lines one more than the newlines before each offset; read(offset, buffer, count)
// fills the buffer.
template <typename Read>
absl::Status CountLines(absl::Span<const std::uint64_t> offsets, const Read& read,
                        std::vector<std::uint64_t>* lines) {
  std::vector<char> buffer(kReadBytes);
  std::uint64_t newlines = 0;
  std::uint64_t at = 0;
  bool at_end = false;
  for (const std::uint64_t offset : offsets) {
    while (at < offset && !at_end) {
      const std::size_t want = std::min<std::uint64_t>(offset - at, buffer.size());
      PS_ASSIGN_OR_RETURN(const std::size_t got, read(at, buffer.data(), want));
      const auto begin = buffer.begin();
      newlines += static_cast<std::uint64_t>(
          std::count(begin, begin + static_cast<std::ptrdiff_t>(got), '\n'));
      at_end = got < want;
      at += got;
    }
    lines->push_back(newlines + 1);
  }
  return absl::OkStatus();
}

// Bytes of the well-formed UTF-8 character at the front of `text`; 0 when there is none.
std::size_t CharacterBytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || bytes > text.size()) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

// Data may hold anything; a message is read on a terminal and travels as UTF-8.
std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t bytes = CharacterBytes(text);
    if (bytes == 0 || first < 0x20 || first == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", first);
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, bytes));
      text.remove_prefix(bytes);
    }
  }
  return out;
}

}  // namespace

void QuoteBadRow(std::string_view line, TextOrigin origin, std::uint32_t column, std::string what,
                 RowBlock* block) {
  constexpr std::size_t kQuotedBytes = 120;
  ++block->bad_rows;
  if (block->bad.size() >= RowBlock::kMaxQuoted) return;
  line = line.substr(0, line.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  block->bad.push_back({origin.file, origin.offset, column, std::move(what),
                        std::string(line.substr(0, kQuotedBytes))});
}

absl::StatusOr<std::uint64_t> LineNumber(const DataFile& file, std::uint64_t offset) {
  std::vector<std::uint64_t> lines;
  PS_RETURN_IF_ERROR(LineNumbers(file, {&offset, 1}, &lines));
  return lines[0];
}

absl::Status LineNumbers(const DataFile& file, absl::Span<const std::uint64_t> offsets,
                         std::vector<std::uint64_t>* lines) {
  lines->clear();
  if (file.compression == Compression::kNone) {
    PS_ASSIGN_OR_RETURN(const InputFile input, InputFile::Open(file.path));
    const auto read = [&](std::uint64_t at, char* out, std::size_t bytes) {
      return input.ReadAt(at, out, bytes);
    };
    return CountLines(offsets, read, lines);
  }
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<ByteStream> stream, ByteStream::Open(file));
  const auto read = [&](std::uint64_t, char* out, std::size_t bytes) {
    return stream->Read(out, bytes);
  };
  return CountLines(offsets, read, lines);
}

void KeepFirstBadRows(absl::Span<const BadRow> more, std::vector<BadRow>* first) {
  for (const BadRow& row : more) {
    const auto place =
        std::upper_bound(first->begin(), first->end(), row,
                         [](const BadRow& a, const BadRow& b) { return DataOrder(a) < DataOrder(b); });
    first->insert(place, row);
    if (first->size() > RowBlock::kMaxQuoted) first->pop_back();
  }
}

std::string TooManyBadRows(std::uint64_t bad, std::uint64_t all, bool at_end, double allowed, const char* setting,
                           const std::string& described) {
  return absl::StrFormat(
      "%d of %d rows%s are malformed (%.3g %%); %s allows %.3g %%. %s"
      "Correct them, or set %s to the fraction of rows that may be left out.",
      bad, all, at_end ? "" : " so far", 100.0 * static_cast<double>(bad) / static_cast<double>(all), setting,
      100.0 * allowed, described.empty() ? "" : absl::StrCat("The first of them:\n", described), setting);
}

void BadRows::Add(std::uint64_t rows, std::uint64_t bad_rows, absl::Span<const BadRow> quoted) {
  rows_.fetch_add(rows, std::memory_order_relaxed);
  if (bad_rows == 0) return;
  bad_rows_.fetch_add(bad_rows, std::memory_order_relaxed);
  std::lock_guard<std::mutex> lock(mutex_);
  KeepFirstBadRows(quoted, &first_);
}

absl::Status BadRows::Check(bool at_end) const {
  const std::uint64_t bad = bad_rows();
  const std::uint64_t all = rows() + bad;
  if (bad == 0) return absl::OkStatus();
  const bool none_allowed = max_fraction_ <= 0;
  if (!at_end && !none_allowed && all < kMinRows) return absl::OkStatus();
  const auto rows_so_far = static_cast<double>(all);
  const double most =
      at_end || none_allowed ? max_fraction_ * rows_so_far : MostByChance(max_fraction_, rows_so_far);
  if (static_cast<double>(bad) <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(TooManyBadRows(bad, all, at_end, max_fraction_, setting_, Describe()));
}

double BadRows::MostByChance(double fraction, double rows) {
  const double expected = fraction * rows;
  // Five standard deviations of a Poisson variable, whose upper tail is the longer the fewer are expected.
  return expected + 5 * std::sqrt(expected) + 6;
}

absl::Status NoRowsError(const BadRows& rows) {
  const std::string malformed = rows.Describe();
  return absl::InvalidArgumentError(absl::StrCat("data.train: there are no rows to learn from",
                                                 malformed.empty() ? "" : "; malformed ones:\n", malformed));
}

std::string BadRows::Describe(std::uint64_t most_bytes) const {
  std::vector<BadRow> rows;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    rows = first_;
  }
  return DescribeBadRows(files_, rows, most_bytes);
}

std::string DescribeBadRows(const DataFiles& files, absl::Span<const BadRow> rows, std::uint64_t most_bytes) {
  std::string text;
  for (auto first = rows.begin(); first != rows.end();) {
    const auto last =
        std::find_if(first, rows.end(), [&](const BadRow& row) { return row.file != first->file; });
    const DataFile& file = files.files()[first->file];
    std::vector<std::uint64_t> offsets, lines;
    for (auto row = first; row != last && row->offset <= most_bytes; ++row) offsets.push_back(row->offset);
    // Rows of a file that can no longer be read still get quoted.
    LineNumbers(file, offsets, &lines).IgnoreError();
    for (std::size_t i = 0; first != last; ++i, ++first) {
      const std::string where =
          i < lines.size() ? absl::StrCat(lines[i]) : absl::StrCat("(byte ", first->offset, ")");
      absl::StrAppend(&text, "  ", file.path, ":", where, ": column ", first->column, ": ",
                      Printable(first->what), ": '", Printable(first->text), "'\n");
    }
  }
  return text;
}

}  // namespace ps
