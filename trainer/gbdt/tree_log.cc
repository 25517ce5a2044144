#include "trainer/gbdt/tree_log.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "models/features/extractor_digest.h"
#include "ps/base/crc32c.h"
#include "ps/base/status_macros.h"
#include "ps/wire/protocol.h"

namespace ps {
namespace {

using std::chrono::steady_clock;

constexpr char kJob[] = "job";
constexpr char kRows[] = "rows";
constexpr char kPiece[] = "piece.";
constexpr char kMagic[] = "PSTREES1";
constexpr std::size_t kMagicBytes = sizeof kMagic - 1;
constexpr std::size_t kPieceBytes = 256 << 10;  // about
// Writing takes so small a part of the time at most, where there is a choice.
constexpr int kShare = 20;
constexpr std::chrono::seconds kAfterFailure(10);  // trying costs time that nodes wait for

std::string Seal(std::string_view bytes) {
  std::string sealed(kMagic, kMagicBytes);
  sealed.append(bytes);
  const std::uint32_t crc = Crc32c(sealed);
  sealed.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return sealed;
}

std::string PieceName(std::size_t first) { return absl::StrFormat("%s%09d", kPiece, first); }

void SetTree(const Tree& tree, tree_log::Tree* to) {
  for (const TreeNode& node : tree.nodes) {
    const bool category = node.kind == ColumnKind::kCategory;
    to->add_column(node.column);
    to->add_flags((node.missing_left ? 1u : 0u) | (category ? 2u : 0u));
    to->add_bin(node.bin);
    to->add_threshold(node.threshold);
    to->add_left_set(node.left_set);
    to->add_left(node.left);
    to->add_right(node.right);
    to->add_gain(node.gain);
    to->add_cover(node.cover);
  }
  for (const float value : tree.leaf_value) to->add_leaf_value(value);
  for (const float cover : tree.leaf_cover) to->add_leaf_cover(cover);
  for (const BinSet& set : tree.left_sets) {
    for (const std::uint64_t word : set) to->add_set_word(word);
  }
}

std::optional<Tree> TreeOf(const tree_log::Tree& from, const std::vector<BinColumn>& columns) {
  const int nodes = from.column_size();
  for (const int size :
       {from.flags_size(), from.bin_size(), from.threshold_size(), from.left_set_size(),
        from.left_size(), from.right_size(), from.gain_size(), from.cover_size(),
        from.leaf_value_size() - 1, from.leaf_cover_size() - 1}) {
    if (size != nodes) return std::nullopt;
  }
  Tree tree;
  constexpr int kWords = 4;
  if (from.set_word_size() % kWords != 0) return std::nullopt;
  for (int i = 0; i < from.set_word_size(); i += kWords) {
    BinSet set;
    for (int w = 0; w < kWords; ++w) set[static_cast<std::size_t>(w)] = from.set_word(i + w);
    tree.left_sets.push_back(set);
  }
  tree.leaf_value.assign(from.leaf_value().begin(), from.leaf_value().end());
  tree.leaf_cover.assign(from.leaf_cover().begin(), from.leaf_cover().end());
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::all_of(tree.leaf_value.begin(), tree.leaf_value.end(), finite)) return std::nullopt;
  for (int i = 0; i < nodes; ++i) {
    TreeNode node;
    node.column = from.column(i);
    node.kind = (from.flags(i) & 2) != 0 ? ColumnKind::kCategory : ColumnKind::kNumber;
    node.missing_left = (from.flags(i) & 1) != 0;
    node.bin = static_cast<std::uint8_t>(from.bin(i));
    node.threshold = from.threshold(i);
    node.left_set = from.left_set(i);
    node.left = from.left(i);
    node.right = from.right(i);
    node.gain = from.gain(i);
    node.cover = from.cover(i);
    if (node.column >= columns.size() || columns[node.column].kind != node.kind ||
        from.bin(i) > 255) {
      return std::nullopt;
    }
    const bool category = node.kind == ColumnKind::kCategory;
    if (category && node.left_set >= tree.left_sets.size()) return std::nullopt;
    // Children come after their parents, so every walk ends.
    for (const std::int32_t child : {node.left, node.right}) {
      if (child >= 0 ? child <= i || child >= nodes : ~child > nodes) return std::nullopt;
    }
    tree.nodes.push_back(node);
  }
  return tree;
}

std::uint64_t NewRun() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) | 1;
}

}  // namespace

absl::Status TreeLog::Damaged(const std::string& name, const std::string& what) const {
  return absl::DataLossError(
      absl::StrCat(store_->Describe(name), " ", what, "; ", store_->HowToBeginAnew()));
}

template <typename Message>
absl::StatusOr<Message> TreeLog::Parse(const std::string& name, std::string_view sealed) const {
  std::uint32_t crc = 0;
  Message message;
  const std::string_view magic = std::string_view(kMagic, kMagicBytes);
  if (sealed.size() < kMagicBytes + sizeof crc && magic.substr(0, sealed.size()) == sealed.substr(0, kMagicBytes))
    return Damaged(name, absl::StrCat("is damaged: it ends after ", sealed.size(), " bytes"));
  if (sealed.substr(0, kMagicBytes - 1) != magic.substr(0, kMagicBytes - 1))
    return Damaged(name, "is damaged, or nothing that a job of trees has written");
  if (sealed[kMagicBytes - 1] != magic.back())
    return Damaged(name, "is of another version of the program");
  const std::string_view checked = sealed.substr(0, sealed.size() - sizeof crc);
  std::memcpy(&crc, sealed.data() + checked.size(), sizeof crc);
  if (Crc32c(checked) != crc) return Damaged(name, "is damaged: it is cut short or was changed (its checksum differs)");
  const std::string_view bytes = checked.substr(kMagicBytes);
  if (bytes.size() > (std::size_t{1} << 30) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged(name, "is malformed");
  }
  return message;
}

absl::StatusOr<std::unique_ptr<TreeLog>> TreeLog::Open(std::unique_ptr<TreeLogStore> store,
                                                       Options options) {
  std::unique_ptr<TreeLog> log(new TreeLog(std::move(store), std::move(options)));
  PS_RETURN_IF_ERROR(log->Read());
  if (!log->goes_on_) {
    log->job_ = tree_log::Job();
    log->job_.set_run(NewRun());
    log->job_.set_name(log->options_.name);
    log->job_.set_digest(log->options_.digest);
  }
  log->job_.set_session(log->job_.session() + 1);
  log->job_.set_protocol(ProtocolDigest());
  return log;
}

absl::Status TreeLog::Read() {
  PS_ASSIGN_OR_RETURN(const auto records, store_->Load());
  const auto job = records.find(kJob);
  if (!options_.resume || job == records.end()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(job_, Parse<tree_log::Job>(kJob, job->second));
  if (job_.digest() != options_.digest) {
    return absl::InvalidArgumentError(
        absl::StrCat(store_->Describe(kJob), " is of the job '", job_.name(),
                     "' with other data, features or settings, or of a version of the program that "
                     "grows other trees: it cannot go on here; ",
                     store_->HowToBeginAnew()));
  }
  nodes_gone_ = job_.nodes_gone();
  if (store_->has_nodes() && !nodes_gone_ && job_.protocol() != ProtocolDigest()) {
    return absl::InvalidArgumentError(
        absl::StrCat(store_->Describe(kJob),
                     ": its nodes are of another version of the program: go on with that version, "
                     "or end them; then ",
                     store_->HowToBeginAnew()));
  }
  job_.set_nodes_gone(false);
  if (const auto rows = records.find(kRows); rows != records.end()) {
    PS_ASSIGN_OR_RETURN(const tree_log::Rows had, Parse<tree_log::Rows>(kRows, rows->second));
    if (had.run() == job_.run()) rows_digest_ = had.digest();
  }
  std::size_t last = 0;  // the first tree of the last piece that there is
  for (const auto& [name, bytes] : records) {
    if (name.rfind(kPiece, 0) != 0) continue;
    PS_ASSIGN_OR_RETURN(tree_log::Piece piece, Parse<tree_log::Piece>(name, bytes));
    if (piece.run() != job_.run()) return Damaged(name, "is of another run");
    last = piece.first();
    attempts_before_ = std::max(attempts_before_, piece.attempts());
    if (piece.first() > kept_) break;
    // A piece that was put although its writer heard of no success may lie over others. Trees of the
    // same number are the same, wherever they are.
    const auto had = static_cast<int>(
        std::min<std::size_t>(kept_ - piece.first(), static_cast<std::size_t>(piece.tree_size())));
    piece.mutable_tree()->DeleteSubrange(0, had);
    kept_ += static_cast<std::size_t>(piece.tree_size());
    pieces_.push_back(std::move(piece));
  }
  if (last > kept_) return Damaged(PieceName(kept_), "is missing");
  goes_on_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Tree>> TreeLog::TakeTrees(const std::vector<BinColumn>& columns) {
  std::vector<Tree> trees;
  for (const tree_log::Piece& piece : std::exchange(pieces_, {})) {
    for (const tree_log::Tree& from : piece.tree()) {
      std::optional<Tree> tree = TreeOf(from, columns);
      if (!tree)
        return Damaged(PieceName(piece.first()), "has a tree that is none of these columns");
      trees.push_back(*std::move(tree));
    }
  }
  return trees;
}

absl::Status TreeLog::Put(const std::string& name, const std::string& bytes) {
  absl::Status put = store_->Put(name, Seal(bytes));
  lost_ = absl::IsFailedPrecondition(put);
  if (!lost_) return put;
  return absl::UnavailableError(
      absl::StrCat("another scheduler has taken this job over: ", put.message()));
}

absl::StatusOr<bool> TreeLog::TryPut(const std::string& name, const std::string& bytes) {
  absl::Status put = Put(name, bytes);
  if (lost_) return put;
  if (put.ok()) return true;
  options_.say(absl::StrCat("progress is not stored: ", put.message()));
  next_ = steady_clock::now() + kAfterFailure;
  return false;
}

absl::Status TreeLog::Begin(const std::string& bins) {
  const std::string digest = ExtractorDigest(bins);
  if (!goes_on_) {
    PS_RETURN_IF_ERROR(store_->Clear());
    job_.set_bins_digest(digest);
    if (bins.size() <= options_.most_bins_bytes) job_.set_bins(bins);
  } else if (job_.bins_digest() != digest) {
    return Damaged(kJob, "is of other bins: the data have changed");
  }
  return Put(kJob, job_.SerializeAsString());
}

absl::Status TreeLog::SetRows(const std::string& digest) {
  if (!rows_digest_.empty()) {
    return rows_digest_ == digest ? absl::OkStatus()
                                  : Damaged(kRows, "is of other rows: the data have changed");
  }
  rows_digest_ = digest;
  rows_kept_ = false;
  return KeepRows().status();
}

absl::StatusOr<bool> TreeLog::KeepRows() {
  if (rows_kept_) return true;
  tree_log::Rows rows;
  rows.set_run(job_.run());
  rows.set_digest(rows_digest_);
  PS_ASSIGN_OR_RETURN(rows_kept_, TryPut(kRows, rows.SerializeAsString()));
  return rows_kept_;
}

absl::Status TreeLog::Keep(const std::vector<Tree>& trees, std::uint32_t attempts, bool now) {
  const auto began = steady_clock::now();
  if (trees.size() <= kept_ || (!now && began < next_)) return absl::OkStatus();
  // Trees of rows that nobody could tell from others are none to go on from.
  PS_ASSIGN_OR_RETURN(const bool rows_kept, KeepRows());
  if (!rows_kept) return absl::OkStatus();
  while (kept_ < trees.size()) {
    tree_log::Piece piece;
    piece.set_run(job_.run());
    piece.set_first(static_cast<std::uint32_t>(kept_));
    piece.set_attempts(attempts);
    std::size_t bytes = 0;
    for (std::size_t t = kept_; t < trees.size() && bytes < kPieceBytes; ++t) {
      SetTree(trees[t], piece.add_tree());
      bytes += piece.tree(piece.tree_size() - 1).ByteSizeLong();
    }
    PS_ASSIGN_OR_RETURN(const bool put, TryPut(PieceName(kept_), piece.SerializeAsString()));
    if (!put) return absl::OkStatus();
    kept_ += static_cast<std::size_t>(piece.tree_size());
  }
  const auto ended = steady_clock::now();
  const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(ended - began);
  next_ = ended + std::clamp(spent * kShare, store_->least_pause(), store_->longest_pause());
  if (!store_->has_nodes()) LOG(INFO) << kept_ << " trees are kept in " << store_->Describe("");
  return absl::OkStatus();
}

absl::Status TreeLog::EndSession() {
  if (!store_->has_nodes()) return absl::OkStatus();
  job_.set_nodes_gone(true);
  const absl::Status put = Put(kJob, job_.SerializeAsString());
  if (lost_) return put;
  if (!put.ok()) options_.say(absl::StrCat("the state is not stored: ", put.message()));
  return absl::OkStatus();
}

}  // namespace ps
