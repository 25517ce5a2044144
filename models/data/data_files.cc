#include "models/data/data_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "models/data/byte_stream.h"
#include "models/data/input_file.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

bool Exists(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0;
}

absl::StatusOr<std::vector<std::string>> Resolve(const std::string& pattern) {
  if (pattern == "-") {
    return absl::InvalidArgumentError(
        "\"-\" is not a file: data is read several times, so it has to be one");
  }
  // A file whose name holds a bracket or a star is found by its name.
  if (Exists(pattern)) return std::vector<std::string>{pattern};
  glob_t found{};
  const int result = ::glob(pattern.c_str(), GLOB_ERR | GLOB_BRACE | GLOB_TILDE, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv,
                                 found.gl_pathv + (result == 0 ? found.gl_pathc : 0));
  ::globfree(&found);
  if (result == GLOB_NOSPACE) return absl::ResourceExhaustedError("no memory to match files");
  if (result == GLOB_ABORTED) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot list a directory that the pattern '", pattern, "' goes through"));
  }
  if (paths.empty()) {
    const bool is_glob = pattern.find_first_of("*?[{") != std::string::npos;
    return absl::NotFoundError(
        absl::StrCat(is_glob ? "no file matches '" : "no such file: '", pattern, "'"));
  }
  // glob sorts by locale and each brace alternative apart; the order of the data must not depend on
  // the environment.
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

// The same for all spellings of a file.
std::string SpeltAlike(const std::string& path) {
  std::error_code error;
  const std::string canonical = std::filesystem::weakly_canonical(path, error).string();
  return error ? path : canonical;
}

absl::StatusOr<DataFile> Examine(const std::string& path) {
  PS_ASSIGN_OR_RETURN(const InputFile input, InputFile::Open(path));
  char magic[kCompressionMagicBytes];
  PS_ASSIGN_OR_RETURN(const std::size_t got, input.ReadAt(0, magic, sizeof(magic)));
  DataFile file;
  file.path = path;
  file.compression = CompressionOf(magic, got);
  file.stored_bytes = input.bytes();
  return file;
}

absl::StatusOr<std::uint64_t> CountBytes(const DataFile& file) {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<ByteStream> stream, ByteStream::Open(file));
  std::vector<char> buffer(256 << 10);
  std::uint64_t total = 0;
  while (true) {
    PS_ASSIGN_OR_RETURN(const std::size_t got, stream->Read(buffer.data(), buffer.size()));
    total += got;
    if (got < buffer.size()) return total;
  }
}

}  // namespace

struct DataFiles::SizeCache {
  std::mutex mutex;
  std::map<std::uint32_t, std::uint64_t> bytes_of_file;
};

absl::StatusOr<DataFiles> DataFiles::Open(const std::vector<std::string>& patterns) {
  DataFiles data;
  data.sizes_ = std::make_shared<SizeCache>();
  std::map<std::string, std::string> pattern_of;
  for (const std::string& pattern : patterns) {
    PS_ASSIGN_OR_RETURN(const std::vector<std::string> paths, Resolve(pattern));
    for (const std::string& path : paths) {
      const auto [earlier, is_new] = pattern_of.emplace(SpeltAlike(path), pattern);
      if (!is_new) {
        return absl::InvalidArgumentError(absl::StrCat(path, " is named twice, by '",
                                                       earlier->second, "' and by '", pattern,
                                                       "'; its rows would count twice"));
      }
      PS_ASSIGN_OR_RETURN(DataFile file, Examine(path));
      data.files_.push_back(std::move(file));
    }
  }
  return data;
}

std::vector<std::string> DataFiles::SharedWith(const DataFiles& other) const {
  std::set<std::string> others;
  for (const DataFile& file : other.files_) others.insert(SpeltAlike(file.path));
  std::vector<std::string> shared;
  for (const DataFile& file : files_) {
    if (others.count(SpeltAlike(file.path)) != 0) shared.push_back(file.path);
  }
  return shared;
}

std::uint64_t DataFiles::stored_bytes() const {
  std::uint64_t total = 0;
  for (const DataFile& file : files_) total += file.stored_bytes;
  return total;
}

absl::StatusOr<std::string> DataFiles::Origin() const {
  std::string origin;
  for (const DataFile& file : files_) {
    struct stat info {};
    if (::stat(file.path.c_str(), &info) != 0) return FileError("stat", file.path, errno);
    std::error_code error;
    const std::filesystem::path path = std::filesystem::absolute(file.path, error);
    absl::StrAppend(&origin, "file ", error ? file.path : path.lexically_normal().string(), " ",
                    info.st_size, " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ",
                    info.st_ino, "\n");
  }
  return origin;
}

absl::StatusOr<std::uint64_t> DataFiles::DecompressedBytes(std::uint32_t file) const {
  if (file >= files_.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("file ", file, ", but there are ", files_.size(), " files"));
  }
  if (files_[file].compression == Compression::kNone) return files_[file].stored_bytes;
  {
    std::lock_guard<std::mutex> lock(sizes_->mutex);
    const auto known = sizes_->bytes_of_file.find(file);
    if (known != sizes_->bytes_of_file.end()) return known->second;
  }
  PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, CountBytes(files_[file]));
  std::lock_guard<std::mutex> lock(sizes_->mutex);
  sizes_->bytes_of_file[file] = bytes;
  return bytes;
}

absl::StatusOr<std::uint64_t> DataFiles::DecompressedBytes() const {
  std::uint64_t total = 0;
  for (std::uint32_t file = 0; file < files_.size(); ++file) {
    PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, DecompressedBytes(file));
    total += bytes;
  }
  return total;
}

absl::StatusOr<std::vector<FileRange>> DataFiles::PlanRanges(std::uint64_t range_bytes) const {
  const std::uint64_t step = std::max<std::uint64_t>(range_bytes, 1);
  std::vector<FileRange> ranges;
  for (std::uint32_t file = 0; file < files_.size(); ++file) {
    PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, DecompressedBytes(file));
    for (std::uint64_t begin = 0; begin < bytes; begin += std::min(step, bytes - begin)) {
      ranges.push_back({file, begin, begin + std::min(step, bytes - begin)});
    }
  }
  return ranges;
}

}  // namespace ps
