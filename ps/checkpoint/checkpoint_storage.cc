#include "ps/checkpoint/checkpoint_storage.h"

#include "ps/base/status_macros.h"
#include "ps/checkpoint/local_storage.h"
#include "ps/checkpoint/s3_storage.h"

namespace ps {

absl::StatusOr<std::shared_ptr<CheckpointStorage>> OpenCheckpointStorage(
    const std::string& path, const std::string& endpoint) {
  if (path.rfind("s3://", 0) != 0) return std::make_shared<LocalStorage>(path);
  PS_ASSIGN_OR_RETURN(const S3Location location, S3LocationFrom(path, endpoint));
  return std::make_shared<S3Storage>(location);
}

absl::Status WriteObject(CheckpointStorage& storage, const std::string& name,
                         std::string_view bytes) {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, storage.Create(name));
  PS_RETURN_IF_ERROR(writer->Append(bytes));
  return writer->Finish();
}

}  // namespace ps
