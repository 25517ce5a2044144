#include "trainer/embedded/row_spool.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::Status Failure(const std::string& what, const std::string& directory) {
  const int error = errno;
  const std::string message =
      absl::StrCat("row cache: ", what, " in '", directory, "': ", std::strerror(error),
                   "; train.row_cache chooses another directory");
  // The place is unfit for the job, whatever the reason; only a failing disk is worth another try.
  return error == EIO ? absl::UnavailableError(message) : absl::ResourceExhaustedError(message);
}

}  // namespace

RowSpool::~RowSpool() {
  if (file_ >= 0) close(file_);
}

absl::Status RowSpool::OpenFile() {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) {
    errno = error.value();
    return Failure("cannot make the directory", directory_);
  }
  // Unlinked at once: whatever ends the process also frees the space.
  std::string path = directory_ + "/row_cache.XXXXXX";
  file_ = mkostemp(path.data(), O_CLOEXEC);
  if (file_ < 0) return Failure("cannot create a file", directory_);
  unlink(path.c_str());
  return absl::OkStatus();
}

absl::Status RowSpool::Append(const ResolvedBlock& block) {
  if (block.rows() == 0) return absl::OkStatus();
  rows_ += block.rows();
  if (records_.empty() && memory_bytes_ + block.bytes() <= memory_limit_) {
    memory_bytes_ += block.bytes();
    memory_.push_back(block);
    return absl::OkStatus();
  }
  if (file_ < 0) PS_RETURN_IF_ERROR(OpenFile());
  const Record record{file_bytes_, static_cast<std::uint32_t>(block.ids.size()),
                      static_cast<std::uint32_t>(block.values.size()),
                      static_cast<std::uint32_t>(block.rows()),
                      static_cast<std::uint32_t>(block.weights.size())};
  const auto piece = [](const auto& vector) {
    return iovec{const_cast<void*>(static_cast<const void*>(vector.data())), vector.size() * 4};
  };
  iovec pieces[] = {piece(block.ids), piece(block.values), piece(block.row_begin),
                    piece(block.labels), piece(block.weights)};
  std::uint64_t offset = file_bytes_;
  for (iovec& part : pieces) {
    while (part.iov_len > 0) {
      const ssize_t written = pwrite(file_, part.iov_base, part.iov_len, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return Failure("cannot write", directory_);
      part.iov_base = static_cast<char*>(part.iov_base) + written;
      part.iov_len -= static_cast<std::size_t>(written);
      offset += static_cast<std::uint64_t>(written);
    }
  }
  records_.push_back(record);
  file_bytes_ = offset;
  return absl::OkStatus();
}

absl::Status RowSpool::ForEach(const std::function<absl::Status(const ResolvedBlock&)>& take) const {
  ResolvedBlock storage;
  for (std::size_t i = 0; i < blocks(); ++i) {
    const ResolvedBlock* block = nullptr;
    PS_RETURN_IF_ERROR(Read(i, &storage, &block));
    PS_RETURN_IF_ERROR(take(*block));
  }
  return absl::OkStatus();
}

absl::Status RowSpool::Read(std::size_t block, ResolvedBlock* storage,
                            const ResolvedBlock** out) const {
  if (block < memory_.size()) {
    *out = &memory_[block];
    return absl::OkStatus();
  }
  const Record& record = records_[block - memory_.size()];
  storage->ids.resize(record.ids);
  storage->values.resize(record.values);
  storage->row_begin.resize(record.rows + 1);
  storage->labels.resize(record.rows);
  storage->weights.resize(record.weights);
  iovec pieces[] = {{storage->ids.data(), storage->ids.size() * 4},
                    {storage->values.data(), storage->values.size() * 4},
                    {storage->row_begin.data(), storage->row_begin.size() * 4},
                    {storage->labels.data(), storage->labels.size() * 4},
                    {storage->weights.data(), storage->weights.size() * 4}};
  std::uint64_t offset = record.offset;
  for (iovec& part : pieces) {
    while (part.iov_len > 0) {
      const ssize_t got = pread(file_, part.iov_base, part.iov_len, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) errno = EIO;  // the file is shorter than what was written
      if (got <= 0) return Failure("cannot read back", directory_);
      part.iov_base = static_cast<char*>(part.iov_base) + got;
      part.iov_len -= static_cast<std::size_t>(got);
      offset += static_cast<std::uint64_t>(got);
    }
  }
  *out = storage;
  return absl::OkStatus();
}

}  // namespace ps
