#include "evaluation/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/file.h"

namespace ps {

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::status(path, error);
  const bool replaces = !std::filesystem::exists(there) || std::filesystem::is_regular_file(there);
  // What a link points to is replaced, not the link.
  std::string target = path;
  if (replaces && std::filesystem::is_symlink(path, error)) target = std::filesystem::weakly_canonical(path, error).string();
  if (target.empty()) target = path;
  const std::string temporary = replaces ? absl::StrCat(target, ".tmp.", ::getpid()) : path;
  std::FILE* const file = std::fopen(temporary.c_str(), "we");
  if (file == nullptr) return FileError("create", path, errno);
  return std::unique_ptr<OutputFile>(new OutputFile(target, temporary, file));
}

OutputFile::~OutputFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (temporary_ != path_) ::unlink(temporary_.c_str());
}

absl::Status OutputFile::Finish() {
  std::FILE* const file = std::exchange(file_, nullptr);
  absl::Status status = std::fclose(file) == 0 ? absl::OkStatus() : FileError("write", path_, errno);
  if (temporary_ == path_) return status;
  if (status.ok() && ::rename(temporary_.c_str(), path_.c_str()) != 0) status = FileError("rename to", path_, errno);
  if (!status.ok()) ::unlink(temporary_.c_str());
  return status;
}

bool IsStandardOutput(const std::string& path) {
  struct stat there, out;
  return ::stat(path.c_str(), &there) == 0 && ::fstat(STDOUT_FILENO, &out) == 0 && there.st_dev == out.st_dev &&
         there.st_ino == out.st_ino && there.st_rdev == out.st_rdev;
}

absl::Status WriteOutputFile(const std::string& path, std::string_view content) {
  absl::StatusOr<std::unique_ptr<OutputFile>> output = OutputFile::Create(path);
  if (!output.ok()) return output.status();
  std::fwrite(content.data(), 1, content.size(), (*output)->file());
  // What could not be written is an error of the stream, which closing may not repeat.
  return std::ferror((*output)->file()) != 0 ? FileError("write", path, errno) : (*output)->Finish();
}

absl::Status CheckOutput(const char* flag, const std::string& path, const std::string& model, const DataFiles* files) {
  if (LiesIn(path, model)) {
    return absl::InvalidArgumentError(absl::StrCat(flag, "=", path, " lies in the model ", model, ", which would be damaged"));
  }
  if (files == nullptr) return absl::OkStatus();
  for (const DataFile& file : files->files()) {
    std::error_code error;
    if (std::filesystem::equivalent(path, file.path, error) && !error)
      return absl::InvalidArgumentError(absl::StrCat(flag, "=", path, " is a file of --data: it would be lost"));
  }
  return absl::OkStatus();
}

}  // namespace ps
