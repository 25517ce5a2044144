#include "ps/checkpoint/checkpoint_storage.h"

#include "ps/base/status_macros.h"

namespace ps {

absl::Status WriteObject(CheckpointStorage& storage, const std::string& name,
                         std::string_view bytes) {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, storage.Create(name));
  PS_RETURN_IF_ERROR(writer->Append(bytes));
  return writer->Finish();
}

}  // namespace ps
