#include "trainer/front_check.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/status_macros.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

constexpr std::uint64_t kFrontBytes = 4 << 20;
constexpr std::uint64_t kMostQuotedBytes = 64 << 20;  // of a file, to count lines in

}  // namespace

absl::Status CheckFront(const DataFiles& files, std::uint64_t block_bytes, const ReadRows& read, BadRows* rows) {
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(files, block_bytes);
  BlockStream::Block text;
  for (std::uint64_t bytes = 0; bytes < kFrontBytes; bytes += text.text.size()) {
    PS_ASSIGN_OR_RETURN(const bool more, stream->Next(&text));
    if (!more) break;
    const RowBlock& block = read(text.text, {text.file, text.offset});
    rows->Add(block);
    if (block.bad_rows > 0) PS_RETURN_IF_ERROR(rows->Check(false));
  }
  return absl::OkStatus();
}

std::string DescribeMalformed(const BadRows& rows, const char* which, bool whole, double allowed) {
  if (rows.bad_rows() == 0) return "";
  const std::uint64_t all = rows.rows() + rows.bad_rows();
  std::string text = absl::StrCat("malformed: ", FormatCount(rows.bad_rows()), " of the ", FormatCount(all), " rows ",
                                  which, ". The first of them:\n", rows.Describe(whole ? ~std::uint64_t{0} : kMostQuotedBytes));
  if (!whole && static_cast<double>(rows.bad_rows()) > allowed * static_cast<double>(all)) {
    absl::StrAppendFormat(&text, "With as many among all rows the job ends with exit code 3: data.max_bad_rows allows %.3g %%\n",
                          100 * allowed);
  }
  return text;
}

}  // namespace ps
