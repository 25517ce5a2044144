// The manifests of a checkpoint directory: read and checked, written last, listed, and thinned out.
//
// A checkpoint exists when its manifest does. Errors of damage are DataLoss with the file's name.
// Blocking; one thread a directory (readers may be anywhere).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/checkpoint/checkpoint.pb.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "ps/checkpoint/slot_file.h"

namespace ps {

std::string ManifestName(std::uint64_t id);

// InvalidArgument when it does not hold together (CheckManifest).
absl::Status WriteManifest(CheckpointStorage& storage, const checkpoint::Manifest& manifest);
absl::StatusOr<checkpoint::Manifest> ReadManifest(CheckpointStorage& storage, std::uint64_t id);

// Every slot has a file, files are named once and well, intervals ascend.
absl::Status CheckManifest(const checkpoint::Manifest& manifest);

SlotFileInfo FileOf(const checkpoint::Manifest& manifest, std::uint32_t file);
void AddFile(const SlotFileInfo& info, checkpoint::Manifest& manifest);
// Takes files that no slot is in off the list: after an incremental checkpoint has replaced slots
// of older files.
absl::Status DropUnusedFiles(checkpoint::Manifest& manifest);

// Ids of all manifests, ascending.
absl::StatusOr<std::vector<std::uint64_t>> ListCheckpoints(CheckpointStorage& storage);
// One more than every id that any object's name has: ids are never used again, those of interrupted
// checkpoints included.
absl::StatusOr<std::uint64_t> NextCheckpointId(CheckpointStorage& storage);

// Reads the manifest and every slot of it; the first damage found is returned.
absl::Status VerifyCheckpoint(CheckpointStorage& storage, std::uint64_t id);

// Keeps the newest `keep` manifests and the files that they refer to; removes older manifests, then
// slot files of ids below the newest manifest's that no kept one refers to. A manifest that cannot
// be read stops it: nothing is removed on a guess.
// The checkpoint `in_use` stays too (0: none): newer ones may be of no use to who counts on it.
absl::Status RemoveOldCheckpoints(CheckpointStorage& storage, int keep, std::uint64_t in_use = 0);

// Manifests first, then slot files, whole or not.
absl::Status RemoveAllCheckpoints(CheckpointStorage& storage);

}  // namespace ps
