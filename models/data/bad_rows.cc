#include "models/data/bad_rows.h"

#include <utility>

namespace ps {

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

}  // namespace ps
