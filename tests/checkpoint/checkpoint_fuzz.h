// Hostile bytes at the readers of checkpoints: whatever comes, they answer, and what they take is
// inside the file.
#pragma once

#include <string>
#include <string_view>

namespace ps {

// As a slot file; `mend` sets its checksums right first, as far as its structures can be found.
void TrySlotFile(std::string bytes, bool mend);
// As the JSON of a manifest, with the right checksum.
void TryManifest(std::string_view bytes);
// As a state log.
void TryStateLog(std::string_view bytes);

// A good slot file to begin with.
std::string SlotFileSeed();

}  // namespace ps
