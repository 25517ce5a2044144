#include "trainer/search/search_store.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "models/bundle/bundle_directory.h"
#include "models/bundle/manifest.h"
#include "models/data/data_files.h"
#include "models/features/extractor_digest.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "trainer/search/search_output.h"
#include "trainer/search/search_schedule.h"
#include "trainer/search/search_trace.h"
#include "trainer/search/trial_process.h"

namespace ps {
namespace {

// What says whether a bundle is still the same one; one that is absent fails its trials.
absl::StatusOr<std::string> ContentOf(const std::string& bundle) {
  const absl::StatusOr<std::string> found = LocateBundle(bundle);
  if (absl::IsNotFound(found.status())) return "absent";
  PS_RETURN_IF_ERROR(found.status());
  PS_ASSIGN_OR_RETURN(const std::string manifest, ReadWholeFile(absl::StrCat(*found, "/", kManifestName)));
  return ExtractorDigest(manifest);
}

}  // namespace

SearchStore::SearchStore(const LoadedJob* job, const SearchSpace* space, ProgressReporter* reporter)
    : job_(*job), space_(*space), reporter_(*reporter), dir_(DirOf(job->config.output.dir)) {}

std::string SearchStore::TrialDir(int trial) const { return absl::StrCat(dir_, "/trial-", trial + 1); }
std::string SearchStore::LossesPath(int trial) const { return absl::StrCat(dir_, "/losses-", trial + 1); }

std::string SearchStore::CheckpointsDir(const search::Search& state) const {
  return absl::StrCat(job_.config.checkpoint.dir, "/", ExtractorDigest(state.identity()));
}

std::string SearchStore::CheckpointDir(const search::Search& state, int trial) const {
  const std::uint32_t rung = state.trials(trial).rung();
  return absl::StrCat(CheckpointsDir(state), "/trial-", trial + 1, rung < state.top_rung() ? absl::StrCat("-", rung) : "");
}

absl::Status SearchStore::Save(const search::Search& state) const {
  return WriteFileAtomically(StatePath(), state.SerializeAsString());
}

absl::Status SearchStore::CheckOwn() const {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(dir_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (absl::StartsWith(name, "trial-") || absl::StartsWith(name, "losses-") || absl::StartsWith(name, kStateName)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        dir_, " is where a search keeps its trials, and holds ", name, ", which is none of them and would be removed: move it away, or set another output.dir"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SearchStore::Identity() const {
  std::string text = space_.Identity();
  const DataConfig& data = job_.config.data;
  for (const DataPart* part : {&data.train, &data.valid}) {
    if (!part->set()) continue;
    PS_ASSIGN_OR_RETURN(const DataFiles files, DataFiles::Open(part->files));
    PS_ASSIGN_OR_RETURN(const std::string origin, files.Origin());
    absl::StrAppend(&text, origin);
  }
  for (const std::string& path : space_.bundles()) {
    PS_ASSIGN_OR_RETURN(const std::string content, ContentOf(path));
    absl::StrAppend(&text, "model ", path, " ", content, "\n");
  }
  return text;
}

void SearchStore::BeginAnew(const std::string& identity, search::Search* state) const {
  state->Clear();
  state->set_identity(identity);
  state->set_top_rung(static_cast<std::uint32_t>(SearchSchedule::TopRung(space_.search())));
}

absl::Status SearchStore::Load(search::Search* state) {
  PS_RETURN_IF_ERROR(CheckOwn());
  PS_ASSIGN_OR_RETURN(const std::string identity, Identity());
  PS_RETURN_IF_ERROR(MakeDirs(dir_));
  const absl::StatusOr<std::string> bytes = ReadWholeFile(StatePath());
  if (absl::IsNotFound(bytes.status())) {
    PS_ASSIGN_OR_RETURN(const bool finished, LoadFinished(identity, state));
    if (!finished) BeginAnew(identity, state);
    return RemoveCheckpoints(*state);
  }
  PS_RETURN_IF_ERROR(bytes.status());
  const bool read = state->ParseFromString(*bytes);
  if (read && state->identity() != identity) {
    const auto judged = [](const search::Trial& trial) { return !trial.ended() || trial.failure().empty(); };
    if (std::any_of(state->trials().begin(), state->trials().end(), judged)) {
      return absl::FailedPreconditionError(
          absl::StrCat(dir_, " has the trials of a search with other keys, settings, data or models to begin with: remove it to begin anew, or set another output.dir"));
    }
    reporter_.Say(absl::StrCat("search: all trials in ", dir_, ", of another search, had failed: it begins anew"));
    BeginAnew(identity, state);
    PS_RETURN_IF_ERROR(RemoveTree(dir_));
    PS_RETURN_IF_ERROR(MakeDirs(dir_));
    return RemoveCheckpoints(*state);
  }
  if (!read || !Fits(*state)) {
    return absl::FailedPreconditionError(absl::StrCat(StatePath(), " cannot be read: remove ", dir_, " to begin anew"));
  }
  const auto ended = std::count_if(state->trials().begin(), state->trials().end(), [](const auto& one) { return one.ended(); });
  reporter_.Say(absl::StrCat("search: going on, ", ended, " trials have ended before"));
  return absl::OkStatus();
}

bool SearchStore::Fits(const search::Search& state) const {
  const auto top = static_cast<std::uint32_t>(SearchSchedule::TopRung(space_.search()));
  const auto fits = [&](const search::Trial& trial) {
    bool fit = trial.point_size() == space_.keys() && trial.rung() <= top && trial.rung_losses_size() == static_cast<int>(trial.rung());
    for (int key = 0; fit && key < space_.keys(); ++key) fit = trial.point(key) < static_cast<std::uint32_t>(space_.values(key));
    return fit;
  };
  return state.top_rung() == top && std::all_of(state.trials().begin(), state.trials().end(), fits);
}

absl::StatusOr<bool> SearchStore::LoadFinished(const std::string& identity, search::Search* state) {
  const std::string& output = job_.config.output.dir;
  const absl::StatusOr<std::string> from = LocateBundle(output);
  if (!from.ok()) return false;
  const absl::StatusOr<std::string> bytes = ReadWholeFile(absl::StrCat(*from, "/", SearchOutput::kStateName));
  if (!bytes.ok()) return false;
  search::Search kept;
  if (!kept.ParseFromString(*bytes) || kept.identity() != identity || !Fits(kept) || BestTrial(kept) < 0) {
    reporter_.Say(absl::StrCat("search: ", output, " is of a search with other keys, settings, data or models to begin with: it begins anew"));
    return false;
  }
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, Bundle::Open(output));  // nothing of it is damaged
  const std::string trial = TrialDir(BestTrial(kept));
  PS_RETURN_IF_ERROR(RemoveTree(trial));
  PS_RETURN_IF_ERROR(MakeDirs(trial));
  PS_RETURN_IF_ERROR(WriteFileAtomically(TrialProcess::OutPath(trial), kept.printed()));
  kept.clear_printed();
  *state = std::move(kept);
  finished_ = *from;
  reporter_.Say(absl::StrCat("search: ", output, " is of this search, of ", state->trials_size(),
                             " trials; more follow where there may be more"));
  return true;
}

absl::Status SearchStore::TakeFinished(const search::Search& state) {
  const std::string to = TrialProcess::ModelPath(TrialDir(BestTrial(state)));
  std::error_code error;
  std::filesystem::copy(finished_, to, std::filesystem::copy_options::recursive, error);
  if (error) return FileError("copy", finished_, error.value());
  finished_.clear();
  return Save(state);
}

absl::Status SearchStore::RemoveCheckpoints(const search::Search& state) const {
  const CheckpointConfig& config = job_.config.checkpoint;
  if (config.dir.empty()) return absl::OkStatus();
  const std::string dir = CheckpointsDir(state);
  PS_ASSIGN_OR_RETURN(const std::shared_ptr<CheckpointStorage> storage, OpenCheckpointStorage(dir, config.endpoint));
  PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage->List(""));
  for (const StoredObject& object : objects) PS_RETURN_IF_ERROR(storage->Remove(object.name));
  return RemoveTree(dir);  // the directories; none is in object storage
}

}  // namespace ps
