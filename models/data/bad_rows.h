// Malformed rows: quoted by the parsers, gathered here over all blocks, and judged against the
// job's limit. Nothing is skipped silently.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/data/data_files.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"

namespace ps {

// Counts a malformed line of `block` and quotes it while there is room. `origin` is that of the
// line's first byte; `line` may go on behind its newline; `column` is 1-based.
void QuoteBadRow(std::string_view line, TextOrigin origin, std::uint32_t column, std::string what,
                 RowBlock* block);

// The 1-based number of the line that begins at `offset` of the file's decompressed stream, found
// by reading the file up to there.
absl::StatusOr<std::uint64_t> LineNumber(const DataFile& file, std::uint64_t offset);

// The same of ascending offsets, in one reading of the file. On an error *lines holds the numbers
// of those that were reached.
absl::Status LineNumbers(const DataFile& file, absl::Span<const std::uint64_t> offsets,
                         std::vector<std::uint64_t>* lines);

// Adds `more` to *first, which keeps the first RowBlock::kMaxQuoted of all in data order.
void KeepFirstBadRows(absl::Span<const BadRow> more, std::vector<BadRow>* first);

// `file:line: column N: what: 'text'`, a line each, of rows in data order. Line numbers cost reading the files up to
// those rows; of rows beyond `most_bytes` of a file, and of files that can no longer be read, the byte is said instead.
std::string DescribeBadRows(const DataFiles& files, absl::Span<const BadRow> rows,
                            std::uint64_t most_bytes = ~std::uint64_t{0});

// The error of `bad` of `all` rows that are malformed, where `setting` allows a fraction of `allowed`. `described`: some
// of them, as above. `at_end`: of all the data, else so far.
std::string TooManyBadRows(std::uint64_t bad, std::uint64_t all, bool at_end, double allowed, const char* setting,
                           const std::string& described);

// Gathers the blocks of one reading of the data. Thread-safe. `files` must outlive it.
class BadRows {
 public:
  // max_fraction: of all rows; 0 allows none. `setting`: what a person sets it by.
  BadRows(const DataFiles* files, double max_fraction, const char* setting = "data.max_bad_rows")
      : files_(*files), max_fraction_(max_fraction), setting_(setting) {}

  // Adds a parsed block: its rows and its bad rows. Costs two additions when none is bad.
  void Add(const RowBlock& block) { Add(block.rows(), block.bad_rows, block.bad); }
  // The same, of a block of `rows` good rows and `bad_rows` bad ones.
  void Add(std::uint64_t rows, std::uint64_t bad_rows, absl::Span<const BadRow> quoted);

  std::uint64_t rows() const { return rows_.load(std::memory_order_relaxed); }  // good ones
  std::uint64_t bad_rows() const { return bad_rows_.load(std::memory_order_relaxed); }

  // InvalidArgument when more rows are bad than allowed; the message quotes the first of them and
  // says what to do. Before the end of the data only more of them than chance can have brought
  // forward are too many, and a fraction is judged from kMinRows rows on.
  absl::Status Check(bool at_end) const;

  // DescribeBadRows of the first bad rows in data order; empty when there is none.
  std::string Describe(std::uint64_t most_bytes = ~std::uint64_t{0}) const;

  static constexpr std::uint64_t kMinRows = 1000;
  // How many bad rows of the first `rows` are too many, of data that end with `fraction` of them: at one place
  // there are more in less than one of a million orders of the rows.
  static double MostByChance(double fraction, double rows);

 private:
  const DataFiles& files_;
  const double max_fraction_;
  const char* const setting_;
  std::atomic<std::uint64_t> rows_ = 0;
  std::atomic<std::uint64_t> bad_rows_ = 0;

  mutable std::mutex mutex_;
  // The first kMaxQuoted in data order of those that the blocks quote.
  std::vector<BadRow> first_;
};

// The error of training rows of which none is a good one; quotes malformed ones.
absl::Status NoRowsError(const BadRows& rows);

}  // namespace ps
