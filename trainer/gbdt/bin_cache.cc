#include "trainer/gbdt/bin_cache.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/features/extractor_digest.h"
#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/bin_cache.pb.h"
#include "trainer/gbdt/part_loader.h"
#include "trainer/gbdt/row_binner.h"
#include "trainer/gbdt/row_check.h"

namespace ps {
namespace {

constexpr char kMagic[] = "PSBINS01";  // a change of what is kept, or of how rows become bins: another
constexpr std::size_t kMagicBytes = sizeof kMagic - 1;
constexpr std::size_t kMostMessageBytes = std::size_t{1} << 30;

// What decides the content of files of data, as far as it can be known without reading them.
absl::StatusOr<std::string> OriginOf(const DataFiles& files, const features::Plan& plan,
                                     const LoadOptions& options) {
  std::string origin = absl::StrCat("features ", ExtractorDigest(plan.SerializeAsString()), "\n");
  PS_ASSIGN_OR_RETURN(const std::string of_files, files.Origin());
  absl::StrAppend(&origin, of_files);
  absl::StrAppend(&origin, "labels ", static_cast<int>(options.labels), " absent ",
                  options.absent_is_zero ? "zero" : "missing", "\n");
  return origin;
}

absl::StatusOr<bool> HasCategories(const features::Plan& plan) {
  if (plan.format() == "libsvm") return false;
  PS_ASSIGN_OR_RETURN(const std::vector<ValueColumn> columns, ColumnsOfPlan(plan));
  return std::any_of(columns.begin(), columns.end(), [](const ValueColumn& column) {
    return column.kind == ColumnKind::kCategory;
  });
}

std::string PathOf(const std::string& dir, const std::string& origin, const char* kind) {
  return absl::StrCat(dir, "/", ExtractorDigest(origin), ".", kind);
}

std::string_view BytesOf(const void* data, std::size_t bytes) {
  return {static_cast<const char*>(data), bytes};
}

std::string U64(std::uint64_t number) { return std::string(BytesOf(&number, sizeof number)); }

// A file of the cache whose checksum has been compared: reads from its front to its back.
class Content {
 public:
  // NotFound; DataLoss: damaged; FailedPrecondition: of another origin.
  static absl::StatusOr<Content> Open(const std::string& path, const std::string& origin) {
    PS_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
    file.ExpectSequentialRead();
    const std::string_view bytes = file.bytes();
    std::uint32_t crc = 0;
    if (bytes.size() < kMagicBytes + sizeof(std::uint64_t) + sizeof crc ||
        bytes.substr(0, kMagicBytes) != kMagic) {
      return absl::DataLossError("is no file of bins of this version");
    }
    std::memcpy(&crc, bytes.data() + bytes.size() - sizeof crc, sizeof crc);
    Content content(std::move(file));
    content.left_ = bytes.substr(0, bytes.size() - sizeof crc);
    if (Crc32c(content.left_) != crc) return absl::DataLossError("is damaged: its checksum differs");
    content.left_.remove_prefix(kMagicBytes);
    const std::optional<std::string_view> made_of = content.TakeSized();
    if (!made_of || *made_of != origin) return absl::FailedPreconditionError("is of other data");
    return content;
  }

  std::size_t left() const { return left_.size(); }
  std::optional<std::string_view> Take(std::uint64_t bytes) {
    if (bytes > left_.size()) return std::nullopt;
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }
  std::optional<std::string_view> TakeSized() {
    const std::optional<std::string_view> size = Take(sizeof(std::uint64_t));
    if (!size) return std::nullopt;
    std::uint64_t bytes;
    std::memcpy(&bytes, size->data(), sizeof bytes);
    return Take(bytes);
  }
  // Nothing is made room for that the file does not hold.
  template <typename T>
  bool TakeVector(std::uint64_t count, std::vector<T>* to) {
    if (count > left_.size() / sizeof(T)) return false;
    to->resize(count);
    Copy(count, to->data());
    return true;
  }
  template <typename T>
  bool TakeArray(std::uint64_t count, std::size_t spare, HugeArray<T>* to) {
    if (count > left_.size() / sizeof(T)) return false;
    *to = HugeArray<T>(count + spare);
    Copy(count, to->data());
    return true;
  }
  template <typename Message>
  static bool Parse(std::string_view bytes, Message* to) {
    return bytes.size() <= kMostMessageBytes &&
           to->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  explicit Content(MappedFile file) : file_(std::move(file)) {}

  template <typename T>
  void Copy(std::size_t count, T* to) {
    if (count > 0) std::memcpy(to, left_.data(), count * sizeof(T));
    left_.remove_prefix(count * sizeof(T));
  }

  MappedFile file_;
  std::string_view left_;
};

absl::Status Write(const std::string& path, const std::string& origin,
                   std::vector<std::string_view> pieces) {
  const std::string size = U64(origin.size());
  pieces.insert(pieces.begin(), {BytesOf(kMagic, kMagicBytes), size, origin});
  std::uint32_t crc = 0;
  for (const std::string_view piece : pieces) crc = ExtendCrc32c(crc, piece);
  pieces.push_back(BytesOf(&crc, sizeof crc));
  return WriteFileAtomically(path, pieces);
}

std::optional<BinnedRows> TakePart(const bin_cache::Rows::Part& from, const BinPlan& bins,
                                   LabelRule labels, Content* content) {
  const std::uint64_t rows = from.rows();
  BinnedRows part = EmptyRows(bins);
  part.rows = rows;
  if (!content->TakeVector(rows, &part.labels) ||
      !content->TakeVector(from.weighted() ? rows : 0, &part.weights)) {
    return std::nullopt;
  }
  // There are fewer rows than bytes in the file from here on: rows + 1 does not wrap.
  if (bins.sparse) {
    if (!content->TakeVector(rows + 1, &part.row_begin) ||
        !content->TakeArray(from.cells(), 1, &part.cells)) {
      return std::nullopt;
    }
  } else if (rows > content->left() / part.stride ||
             !content->TakeArray(rows * part.stride, 64, &part.bins)) {
    return std::nullopt;
  }
  if (!AreSoundRows(part, from.cells(), bins, labels)) return std::nullopt;
  return part;
}

std::optional<LoadedRows> ReadRows(const BinPlan& bins, LabelRule labels, Content* content) {
  const std::optional<std::string_view> head = content->TakeSized();
  bin_cache::Rows from;
  if (!head || !Content::Parse(*head, &from) || from.part_size() != 3) return std::nullopt;
  LoadedRows rows;
  int number = 0;
  for (BinnedRows* part : {&rows.train, &rows.valid, &rows.test}) {
    std::optional<BinnedRows> taken = TakePart(from.part(number++), bins, labels, content);
    if (!taken) return std::nullopt;
    *part = *std::move(taken);
  }
  rows.dropped = from.dropped();
  rows.good_rows = from.good_rows();
  rows.bad_rows = from.bad_rows();
  rows.bad_row_text = from.bad_row_text();
  return rows;
}

absl::Status WriteRows(const std::string& path, const std::string& origin, const LoadedRows& rows) {
  bin_cache::Rows to;
  to.set_dropped(rows.dropped);
  to.set_good_rows(rows.good_rows);
  to.set_bad_rows(rows.bad_rows);
  to.set_bad_row_text(rows.bad_row_text);
  std::vector<std::string_view> arrays;
  for (const BinnedRows* part : {&rows.train, &rows.valid, &rows.test}) {
    bin_cache::Rows::Part* const made = to.add_part();
    made->set_rows(part->rows);
    made->set_weighted(!part->weights.empty());
    arrays.push_back(BytesOf(part->labels.data(), part->labels.size() * sizeof(float)));
    arrays.push_back(BytesOf(part->weights.data(), part->weights.size() * sizeof(float)));
    if (part->sparse) {
      made->set_cells(part->row_begin.back());
      arrays.push_back(
          BytesOf(part->row_begin.data(), part->row_begin.size() * sizeof(std::uint64_t)));
      arrays.push_back(BytesOf(part->cells.data(), made->cells() * sizeof(std::uint32_t)));
    } else {
      arrays.push_back(BytesOf(part->bins.data(), part->rows * part->stride));
    }
  }
  const std::string head = to.SerializeAsString(), size = U64(head.size());
  arrays.insert(arrays.begin(), {size, head});
  return Write(path, origin, std::move(arrays));
}

}  // namespace

template <typename Read>
bool BinCache::Find(const std::string& path, const std::string& origin, const Read& read) const {
  absl::StatusOr<Content> content = Content::Open(path, origin);
  absl::Status status = content.status();
  if (status.ok() && !read(&*content)) status = absl::DataLossError("is damaged");
  if (status.ok()) return true;
  if (!absl::IsNotFound(status))
    warn_(absl::StrCat("warning: ", path, " ", status.message(), "; it is made anew"));
  return false;
}

void BinCache::SayIfNotKept(const absl::Status& written) const {
  if (written.ok() || std::exchange(said_not_kept_, true)) return;
  warn_(absl::StrCat("warning: data.cache: binned rows are not kept: ", written.message()));
}

absl::StatusOr<std::unique_ptr<BinPlan>> BinCache::Plan(const DataFiles& files,
                                                        const features::Plan& plan,
                                                        const LoadOptions& options) const {
  if (dir_.empty() || options.start != nullptr) return PlanBins(files, plan, options);
  const auto origin_of = [&]() -> absl::StatusOr<std::string> {
    PS_ASSIGN_OR_RETURN(std::string origin, OriginOf(files, plan, options));
    absl::StrAppend(&origin, "bins ", options.max_bins, " seed ", options.seed, " sample ",
                    options.sample_rows, " ", options.sample_values, "\n");
    const TargetOptions& targets = options.targets;
    PS_ASSIGN_OR_RETURN(const bool categories, HasCategories(plan));
    if (!targets.columns.empty() || (targets.automatic && categories)) {
      absl::StrAppend(&origin, "target statistics ", targets.automatic ? "auto" : "named",
                      absl::StrFormat(" smooth %.17g", targets.smooth), " split ",
                      targets.split != nullptr ? targets.split->Text() : "none", "\n");
    }
    for (const ColumnRef& column : targets.columns)
      absl::StrAppend(&origin, "target ", column.index, " ", column.name.size(), " ", column.name, "\n");
    for (const std::string& name : options.classes)
      absl::StrAppend(&origin, "class ", name.size(), " ", name, "\n");
    return origin;
  };
  PS_ASSIGN_OR_RETURN(const std::string origin, origin_of());
  const std::string path = PathOf(dir_, origin, "bins");
  std::unique_ptr<BinPlan> found;
  const auto read = [&](Content* content) {
    wire::TreePlan kept;
    const bool classes = options.labels == LabelRule::kClass;
    if (!Content::Parse(*content->Take(content->left()), &kept) ||
        classes != (kept.classes_size() > 0)) {
      return false;
    }
    absl::StatusOr<std::unique_ptr<BinPlan>> bins = BinPlanOf(kept, plan);
    if (bins.ok()) found = *std::move(bins);
    return bins.ok();
  };
  if (Find(path, origin, read)) return found;
  PS_ASSIGN_OR_RETURN(std::unique_ptr<BinPlan> bins, PlanBins(files, plan, options));
  wire::TreePlan kept;
  SetBinPlan(*bins, &kept);
  // Files that have changed meanwhile are in no state that has a name.
  const absl::StatusOr<std::string> still = origin_of();
  if (kept.ByteSizeLong() > kMostMessageBytes || !still.ok() || *still != origin) return bins;
  const std::string bytes = kept.SerializeAsString();
  absl::Status written = MakeDirs(dir_);
  if (written.ok()) written = Write(path, origin, {bytes});
  SayIfNotKept(written);
  return bins;
}

absl::StatusOr<LoadedRows> BinCache::Load(const DataFiles& files, const features::Plan& plan,
                                          const BinPlan& bins, const RowSplit* split,
                                          const LoadOptions& options) const {
  if (dir_.empty() || options.start_margins != nullptr || options.base != nullptr)
    return LoadRows(files, plan, bins, split, options);
  // What of the bins decides the rows.
  wire::TreePlan of_bins;
  SetBinPlan(bins, &of_bins);
  of_bins.clear_lines();
  for (wire::TreePlan::Column& column : *of_bins.mutable_columns()) column.clear_direction();
  // What is too large for a message has no bytes that could be told apart.
  if (of_bins.ByteSizeLong() > kMostMessageBytes)
    return LoadRows(files, plan, bins, split, options);
  const std::string digest = ExtractorDigest(of_bins.SerializeAsString());
  const auto origin_of = [&]() -> absl::StatusOr<std::string> {
    PS_ASSIGN_OR_RETURN(std::string origin, OriginOf(files, plan, options));
    absl::StrAppend(&origin, "bins ", digest, " split ", split != nullptr ? split->Text() : "none",
                    " rows ", static_cast<int>(options.wanted), " part ", options.part, " of ",
                    options.parts, " max_bad_rows ", options.max_bad_rows, "\n");
    const bool targets = std::any_of(bins.sources.begin(), bins.sources.end(),
                                     [](const ValueColumn& source) { return source.by_target; });
    if (targets) absl::StrAppend(&origin, "folds of seed ", options.seed, options.held_out ? ", held out\n" : "\n");
    return origin;
  };
  PS_ASSIGN_OR_RETURN(const std::string origin, origin_of());
  const std::string path = PathOf(dir_, origin, "rows");
  std::optional<LoadedRows> found;
  const auto read = [&](Content* content) {
    return (found = ReadRows(bins, options.labels, content)).has_value();
  };
  if (Find(path, origin, read)) {
    say_(absl::StrCat("binned rows from ", path));
    return *std::move(found);
  }
  PS_ASSIGN_OR_RETURN(LoadedRows rows, LoadRows(files, plan, bins, split, options));
  const absl::StatusOr<std::string> still = origin_of();
  if (!still.ok() || *still != origin) return rows;
  absl::Status written = MakeDirs(dir_);
  if (written.ok()) written = WriteRows(path, origin, rows);
  SayIfNotKept(written);
  return rows;
}

}  // namespace ps
