#include "trainer/held_out_check.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "ps/base/status_macros.h"

namespace ps {

absl::Status CheckHeldOutFiles(const char* part, const DataFiles& files, const ReadRows& read, const JobConfig& job) {
  constexpr std::uint64_t kBlockBytes = 256 << 10, kMostBytes = 8 << 20;
  BadRows rows(&files, job.data.max_bad_rows);
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(files, kBlockBytes);
  BlockStream::Block text;
  std::uint64_t bytes = 0;
  while (true) {
    PS_ASSIGN_OR_RETURN(const bool more, stream->Next(&text));
    if (!more) break;
    rows.Add(read(text.text, {text.file, text.offset}));
    bytes += text.text.size();
    // Of many rows the first ones say nothing of the fraction in all of them.
    if (bytes >= kMostBytes && rows.rows() > 0) return absl::OkStatus();
  }
  if (rows.rows() + rows.bad_rows() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(part, ".files: ", files.files()[0].path, files.files().size() > 1 ? " and the others have" : " has",
                     " no rows: give files with rows, or remove ", part));
  }
  PS_RETURN_IF_ERROR(rows.Check(true));
  if (rows.rows() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(part, ".files: all rows are malformed. The first of them:\n", rows.Describe()));
}

}  // namespace ps
