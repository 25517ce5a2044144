#include "models/bundle/weights_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/bundle/section_file.h"
#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

template <typename T>
std::string_view BytesOf(const T* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(T)};
}

std::string PartPath(const std::string& path) { return path + ".part"; }

}  // namespace

WeightsWriter::WeightsWriter() = default;
WeightsWriter::~WeightsWriter() = default;

absl::StatusOr<std::unique_ptr<WeightsWriter>> WeightsWriter::Create(const std::string& path) {
  std::unique_ptr<WeightsWriter> writer(new WeightsWriter());
  writer->path_ = path;
  PS_ASSIGN_OR_RETURN(writer->keys_, SectionFile::Create(path));
  PS_ASSIGN_OR_RETURN(writer->weights_, SectionFile::Create(PartPath(path)));
  const WeightsHeader placeholder;
  PS_RETURN_IF_ERROR(writer->keys_->Append(BytesOf(&placeholder, 1)));
  writer->keys_->BeginSection(kSectionAlignment);
  return writer;
}

absl::Status WeightsWriter::Append(absl::Span<const Key> keys, absl::Span<const float> weights) {
  if (keys.size() != weights.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": ", keys.size(), " keys but ", weights.size(), " weights"));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] <= last_key_) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: key %016x after %016x: keys must ascend", path_, keys[i], last_key_));
    }
    last_key_ = keys[i];
    if (keys[i] == kBiasKey) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, ": the bias belongs into the manifest, not among the weights"));
    }
    if (!std::isfinite(weights[i])) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: the weight of key %016x is not finite", path_, keys[i]));
    }
    if (weights[i] == 0) continue;
    PS_RETURN_IF_ERROR(keys_->Append(BytesOf(&keys[i], 1)));
    PS_RETURN_IF_ERROR(weights_->Append(BytesOf(&weights[i], 1)));
    ++count_;
  }
  return absl::OkStatus();
}

absl::StatusOr<WeightsHeader> WeightsWriter::Finish() {
  WeightsHeader header;
  std::memcpy(header.magic, kWeightsMagic, sizeof(header.magic));
  header.version = kWeightsVersion;
  header.index_bits = static_cast<std::uint32_t>(IndexBits(count_));
  header.count = count_;
  header.keys = {sizeof(WeightsHeader), count_ * sizeof(Key), keys_->section_crc32c()};
  PS_RETURN_IF_ERROR(AppendWeightSection(&header));
  PS_RETURN_IF_ERROR(AppendIndex(&header));
  header.file_bytes = keys_->offset();
  header.header_crc32c = Crc32c(BytesOf(&header, 1).substr(0, sizeof(header) - 4));
  PS_RETURN_IF_ERROR(keys_->OverwriteFront(BytesOf(&header, 1)));
  PS_RETURN_IF_ERROR(keys_->Sync());
  return header;
}

absl::Status WeightsWriter::AppendWeightSection(WeightsHeader* header) {
  PS_RETURN_IF_ERROR(weights_->Flush());
  keys_->BeginSection(kSectionAlignment);
  header->weights = {keys_->offset(), weights_->offset(), weights_->section_crc32c()};
  {
    PS_ASSIGN_OR_RETURN(const MappedFile part, MappedFile::Open(PartPath(path_)));
    part.ExpectSequentialRead();
    constexpr std::size_t kPiece = 1 << 20;
    for (std::string_view left = part.bytes(); !left.empty();) {
      const std::string_view piece = left.substr(0, kPiece);
      PS_RETURN_IF_ERROR(keys_->Append(piece));
      left.remove_prefix(piece.size());
    }
  }
  weights_.reset();
  return RemoveTree(PartPath(path_));
}

absl::Status WeightsWriter::AppendIndex(WeightsHeader* header) {
  keys_->BeginSection(kSectionAlignment);
  PS_RETURN_IF_ERROR(keys_->Flush());
  header->index.offset = keys_->offset();
  PS_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path_));
  const Key* keys = reinterpret_cast<const Key*>(file.bytes().data() + header->keys.offset);
  const int bits = static_cast<int>(header->index_bits);
  std::uint64_t below = 0;
  for (std::uint64_t slot = 0; slot < std::uint64_t{1} << bits; ++slot) {
    while (below < count_ && IndexSlot(keys[below], bits) < slot) ++below;
    PS_RETURN_IF_ERROR(keys_->Append(BytesOf(&below, 1)));
  }
  PS_RETURN_IF_ERROR(keys_->Append(BytesOf(&count_, 1)));
  header->index.bytes = keys_->offset() - header->index.offset;
  header->index.crc32c = keys_->section_crc32c();
  return keys_->Flush();
}

}  // namespace ps
