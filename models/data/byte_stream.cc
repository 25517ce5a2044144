#include "models/data/byte_stream.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "models/data/input_file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kStoredBufferBytes = 256 << 10;

absl::Status Damaged(const InputFile& file, std::uint64_t offset, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(file.path(), ": ", what, " after ", offset,
                   " decompressed bytes; the file is damaged or incomplete"));
}

// The stored bytes, a buffer at a time.
class StoredBytes {
 public:
  explicit StoredBytes(InputFile file) : file_(std::move(file)), buffer_(kStoredBufferBytes) {}

  // Refills the buffer when it is used up. False at the end of the file.
  absl::StatusOr<bool> Refill() {
    if (begin_ < end_) return true;
    PS_ASSIGN_OR_RETURN(end_, file_.ReadAt(position_, buffer_.data(), buffer_.size()));
    begin_ = 0;
    position_ += end_;
    return end_ > 0;
  }

  const char* data() const { return buffer_.data() + begin_; }
  std::size_t bytes() const { return end_ - begin_; }
  void Consume(std::size_t bytes) { begin_ += bytes; }
  std::uint64_t consumed() const { return position_ - bytes(); }
  const InputFile& file() const { return file_; }

 private:
  InputFile file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t position_ = 0;
};

class GzipStream final : public ByteStream {
 public:
  explicit GzipStream(InputFile file) : stored_(std::move(file)) {}
  ~GzipStream() override {
    if (ready_) inflateEnd(&inflater_);
  }

  absl::Status Start() {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&inflater_, MAX_WBITS + kGzipOnly) != Z_OK) {
      return absl::ResourceExhaustedError("no memory for a gzip decompressor");
    }
    ready_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Read(char* out, std::size_t bytes) override {
    std::size_t done = 0;
    while (done < bytes) {
      PS_ASSIGN_OR_RETURN(const bool more, stored_.Refill());
      if (!more) {
        if (!between_members_) return Damage("the gzip stream breaks off", done);
        break;
      }
      if (between_members_ && SkipPadding()) continue;
      const std::size_t want = std::min<std::size_t>(bytes - done, 1 << 30);
      inflater_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(stored_.data()));
      inflater_.avail_in = static_cast<uInt>(stored_.bytes());
      inflater_.next_out = reinterpret_cast<Bytef*>(out + done);
      inflater_.avail_out = static_cast<uInt>(want);
      between_members_ = false;
      const int result = inflate(&inflater_, Z_NO_FLUSH);
      stored_.Consume(stored_.bytes() - inflater_.avail_in);
      done += want - inflater_.avail_out;
      if (result == Z_STREAM_END) {
        inflateReset(&inflater_);
        between_members_ = true;
        any_member_ = true;
      } else if (result == Z_MEM_ERROR) {
        return absl::ResourceExhaustedError("no memory for a gzip decompressor");
      } else if (result != Z_OK) {
        return Damage(absl::StrCat("damaged gzip data (",
                                   inflater_.msg != nullptr ? inflater_.msg : "no detail", ")"),
                      done);
      }
    }
    offset_ += done;
    return done;
  }

  std::uint64_t stored_position() const override { return stored_.consumed(); }

 private:
  absl::Status Damage(absl::string_view what, std::size_t done) const {
    return Damaged(stored_.file(), offset_ + done, what);
  }

  // Tape-style archives pad the last member with zero bytes. True when the buffer is used up by it.
  bool SkipPadding() {
    while (any_member_ && stored_.bytes() > 0 && *stored_.data() == 0) stored_.Consume(1);
    return stored_.bytes() == 0;
  }

  StoredBytes stored_;
  z_stream inflater_{};
  bool ready_ = false;
  bool between_members_ = true;
  bool any_member_ = false;
  std::uint64_t offset_ = 0;  // decompressed bytes returned by earlier reads
};

class ZstdStream final : public ByteStream {
 public:
  explicit ZstdStream(InputFile file)
      : stored_(std::move(file)), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {}

  absl::StatusOr<std::size_t> Read(char* out, std::size_t bytes) override {
    if (context_ == nullptr) {
      return absl::ResourceExhaustedError("no memory for a zstd decompressor");
    }
    ZSTD_outBuffer output{out, bytes, 0};
    while (output.pos < bytes) {
      PS_ASSIGN_OR_RETURN(const bool more, stored_.Refill());
      // Without input the decompressor may still hold output of the frame it is in.
      if (!more && between_frames_) break;
      const std::size_t produced_before = output.pos;
      ZSTD_inBuffer input{stored_.data(), stored_.bytes(), 0};
      const std::size_t result = ZSTD_decompressStream(context_.get(), &output, &input);
      if (ZSTD_isError(result)) {
        return Damaged(stored_.file(), offset_ + output.pos,
                       absl::StrCat("damaged zstd data (", ZSTD_getErrorName(result), ")"));
      }
      stored_.Consume(input.pos);
      between_frames_ = result == 0;
      if (!more && !between_frames_ && output.pos == produced_before) {
        return Damaged(stored_.file(), offset_ + output.pos, "the zstd stream breaks off");
      }
    }
    offset_ += output.pos;
    return output.pos;
  }

  std::uint64_t stored_position() const override { return stored_.consumed(); }

 private:
  StoredBytes stored_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
  bool between_frames_ = true;
  std::uint64_t offset_ = 0;  // decompressed bytes returned by earlier reads
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteStream>> ByteStream::Open(const DataFile& file) {
  PS_ASSIGN_OR_RETURN(InputFile input, InputFile::Open(file.path));
  switch (file.compression) {
    case Compression::kGzip: {
      auto stream = std::make_unique<GzipStream>(std::move(input));
      PS_RETURN_IF_ERROR(stream->Start());
      return stream;
    }
    case Compression::kZstd:
      return std::make_unique<ZstdStream>(std::move(input));
    case Compression::kNone:
      break;
  }
  return absl::InternalError(absl::StrCat(file.path, " is not compressed"));
}

Compression CompressionOf(const char* first_bytes, std::size_t bytes) {
  if (bytes >= 2 && std::memcmp(first_bytes, "\x1f\x8b", 2) == 0) return Compression::kGzip;
  if (bytes >= 4) {
    if (std::memcmp(first_bytes, "\x28\xb5\x2f\xfd", 4) == 0) return Compression::kZstd;
    // A skippable frame (pzstd and others begin with one): 0x184D2A50 to 5F, little endian.
    if ((first_bytes[0] & 0xf0) == 0x50 && std::memcmp(first_bytes + 1, "\x2a\x4d\x18", 3) == 0) {
      return Compression::kZstd;
    }
  }
  return Compression::kNone;
}

}  // namespace ps
