#include "ps/checkpoint/manifest.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/crc32c.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

using checkpoint::Manifest;

constexpr char kFormat[] = "hyperplane-checkpoint";
constexpr char kManifests[] = "manifests/";
constexpr char kSlots[] = "slots/";
// The last line: the checksum of all before it.
constexpr std::size_t kChecksumLineBytes = 8 + 1;

template <typename Integer>
std::optional<Integer> Digits(std::string_view text, int base) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The id at the start of an object's name; nullopt for a name that is none of ours.
std::optional<std::uint64_t> IdOf(std::string_view name, std::string_view folder) {
  if (name.substr(0, folder.size()) != folder) return std::nullopt;
  name.remove_prefix(folder.size());
  if (name.size() <= 10) return std::nullopt;
  return Digits<std::uint64_t>(name.substr(0, name.find_first_of("-.")), 10);
}

absl::Status Damaged(const std::string& path, const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

}  // namespace

std::string ManifestName(std::uint64_t id) {
  return absl::StrFormat("%s%010d.json", kManifests, id);
}

absl::Status CheckManifest(const Manifest& manifest) {
  const auto wrong = [](const std::string& what) { return absl::InvalidArgumentError(what); };
  if (manifest.format() != kFormat) return wrong("not a checkpoint's manifest");
  if (manifest.version() != 1) {
    return wrong(absl::StrCat("version ", manifest.version(), "; this program reads 1"));
  }
  if (manifest.id() == 0) return wrong("no id");
  if (manifest.slot_bits() < 1 || manifest.slot_bits() > kMaxSlotBits) return wrong("slot_bits");
  const int slots = 1 << manifest.slot_bits();
  if (manifest.slot_file_size() != slots || manifest.slot_term_size() != slots ||
      manifest.slot_seq_size() != slots) {
    return wrong("a slot without its file, term or seq");
  }
  for (const std::uint32_t file : manifest.slot_file()) {
    if (file >= static_cast<std::uint32_t>(manifest.files_size())) {
      return wrong("a slot's file is not in the list");
    }
  }
  std::set<std::string> names;
  for (const Manifest::File& file : manifest.files()) {
    const std::optional<std::uint64_t> id = IdOf(file.name(), kSlots);
    const auto incarnation = Digits<std::uint64_t>(file.incarnation(), 16);
    const bool named =
        id.has_value() && incarnation.has_value() && file.name() == SlotFileName(*id, *incarnation);
    if (!named || file.crc32c().size() != 8 || !Digits<std::uint32_t>(file.crc32c(), 16)) {
      return wrong(absl::StrCat("file ", file.name(), ": name, crc32c or incarnation"));
    }
    if (!names.insert(file.name()).second) return wrong(file.name() + " is listed twice");
  }
  std::int64_t last = -1;
  for (const Manifest::Interval& interval : manifest.done()) {
    if (interval.first() <= last || interval.last() < interval.first()) {
      return wrong("done chunks are not ascending intervals");
    }
    last = interval.last();
  }
  if (last >= static_cast<std::int64_t>(manifest.chunks())) return wrong("a done chunk beyond all");
  return absl::OkStatus();
}

absl::Status WriteManifest(CheckpointStorage& storage, const Manifest& manifest) {
  PS_RETURN_IF_ERROR(CheckManifest(manifest));
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  const auto written = google::protobuf::util::MessageToJsonString(manifest, &text, options);
  if (!written.ok()) return absl::InternalError(written.ToString());
  absl::StrAppendFormat(&text, "%08x\n", Crc32c(text));
  return WriteObject(storage, ManifestName(manifest.id()), text);
}

absl::StatusOr<Manifest> ReadManifest(CheckpointStorage& storage, std::uint64_t id) {
  const std::string name = ManifestName(id);
  const std::string path = storage.Describe(name);
  PS_ASSIGN_OR_RETURN(const std::string text, storage.ReadAll(name));
  if (text.size() < kChecksumLineBytes) return Damaged(path, "too short");
  const std::string_view body = std::string_view(text).substr(0, text.size() - kChecksumLineBytes);
  if (std::string_view(text).substr(body.size()) != absl::StrFormat("%08x\n", Crc32c(body))) {
    return Damaged(path, "the checksum does not fit: damaged or edited");
  }
  Manifest manifest;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(body.data(), body.size()), &manifest, options);
  if (!parsed.ok()) return Damaged(path, parsed.ToString());
  if (const absl::Status status = CheckManifest(manifest); !status.ok()) {
    return Damaged(path, std::string(status.message()));
  }
  if (manifest.id() != id) return Damaged(path, absl::StrCat("has the id ", manifest.id()));
  return manifest;
}

SlotFileInfo FileOf(const Manifest& manifest, std::uint32_t file) {
  const Manifest::File& listed = manifest.files(static_cast<int>(file));
  return {listed.name(), listed.bytes(), *Digits<std::uint32_t>(listed.crc32c(), 16),
          *Digits<std::uint64_t>(listed.incarnation(), 16)};
}

void AddFile(const SlotFileInfo& info, Manifest& manifest) {
  Manifest::File& file = *manifest.add_files();
  file.set_name(info.name);
  file.set_bytes(info.bytes);
  file.set_crc32c(absl::StrFormat("%08x", info.crc));
  file.set_incarnation(absl::StrFormat("%016x", info.incarnation));
}

absl::Status DropUnusedFiles(Manifest& manifest) {
  std::vector<int> used(static_cast<std::size_t>(manifest.files_size()), 0);
  for (const std::uint32_t file : manifest.slot_file()) {
    if (file >= used.size()) return absl::InvalidArgumentError("a slot's file is not in the list");
    used[file] = 1;
  }
  std::vector<std::uint32_t> place(used.size());
  google::protobuf::RepeatedPtrField<Manifest::File> files;
  for (std::size_t file = 0; file < used.size(); ++file) {
    place[file] = static_cast<std::uint32_t>(files.size());
    if (used[file] != 0) *files.Add() = manifest.files(static_cast<int>(file));
  }
  for (std::uint32_t& file : *manifest.mutable_slot_file()) file = place[file];
  manifest.mutable_files()->Swap(&files);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint64_t>> ListCheckpoints(CheckpointStorage& storage) {
  PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage.List(kManifests));
  std::vector<std::uint64_t> ids;
  for (const StoredObject& object : objects) {
    const std::optional<std::uint64_t> id = IdOf(object.name, kManifests);
    if (id.has_value() && object.name == ManifestName(*id)) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<std::uint64_t> NextCheckpointId(CheckpointStorage& storage) {
  std::uint64_t next = 1;
  for (const char* folder : {kManifests, kSlots}) {
    PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage.List(folder));
    for (const StoredObject& object : objects) {
      next = std::max(next, IdOf(object.name, folder).value_or(0) + 1);
    }
  }
  return next;
}

absl::Status VerifyCheckpoint(CheckpointStorage& storage, std::uint64_t id) {
  PS_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(storage, id));
  std::vector<std::unique_ptr<SlotFileReader>> readers;
  for (int file = 0; file < manifest.files_size(); ++file) {
    PS_ASSIGN_OR_RETURN(auto reader, SlotFileReader::Open(storage, FileOf(manifest, file)));
    readers.push_back(std::move(reader));
  }
  for (int slot = 0; slot < manifest.slot_file_size(); ++slot) {
    const absl::StatusOr<std::string> image = readers[manifest.slot_file(slot)]->ReadSlot(slot);
    PS_RETURN_IF_ERROR(image.status());
  }
  return absl::OkStatus();
}

absl::Status RemoveOldCheckpoints(CheckpointStorage& storage, int keep, std::uint64_t in_use) {
  PS_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> ids, ListCheckpoints(storage));
  const std::size_t kept = std::min<std::size_t>(ids.size(), static_cast<std::size_t>(keep));
  if (kept == 0) return absl::OkStatus();
  std::set<std::string> needed;
  const auto stays = [&](std::size_t i) { return i >= ids.size() - kept || ids[i] == in_use; };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!stays(i)) continue;
    PS_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(storage, ids[i]));
    for (const Manifest::File& file : manifest.files()) needed.insert(file.name());
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (stays(i)) continue;
    PS_RETURN_IF_ERROR(storage.Remove(ManifestName(ids[i])));
  }
  PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> files, storage.List(kSlots));
  for (const StoredObject& file : files) {
    // A file of a later id belongs to a checkpoint that is being written.
    const std::optional<std::uint64_t> id = IdOf(file.name, kSlots);
    if (!id.has_value() || *id > ids.back() || needed.contains(file.name)) continue;
    PS_RETURN_IF_ERROR(storage.Remove(file.name));
  }
  return absl::OkStatus();
}

absl::Status RemoveAllCheckpoints(CheckpointStorage& storage) {
  PS_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> ids, ListCheckpoints(storage));
  for (const std::uint64_t id : ids) PS_RETURN_IF_ERROR(storage.Remove(ManifestName(id)));
  PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> files, storage.List(kSlots));
  for (const StoredObject& file : files) {
    if (IdOf(file.name, kSlots).has_value()) PS_RETURN_IF_ERROR(storage.Remove(file.name));
  }
  return absl::OkStatus();
}

}  // namespace ps
