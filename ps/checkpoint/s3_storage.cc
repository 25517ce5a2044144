#include "ps/checkpoint/s3_storage.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "glog/logging.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// S3 takes 10,000 parts: after every thousand they become twice as large.
constexpr int kPartsOfASize = 1000;

// The text of the first <tag> from *at on, which moves behind it; empty when there is none.
std::string NextTag(const std::string& xml, const std::string& tag, std::size_t* at) {
  const std::string open = "<" + tag + ">", close = "</" + tag + ">";
  const std::size_t begin = xml.find(open, *at);
  const std::size_t end = begin == std::string::npos ? begin : xml.find(close, begin);
  if (end == std::string::npos) {
    *at = std::string::npos;
    return "";
  }
  *at = end + close.size();
  const std::size_t text = begin + open.size();
  return absl::StrReplaceAll(xml.substr(text, end - text), {{"&lt;", "<"},
                                                            {"&gt;", ">"},
                                                            {"&quot;", "\""},
                                                            {"&#34;", "\""},
                                                            {"&apos;", "'"},
                                                            {"&#39;", "'"},
                                                            {"&amp;", "&"}});
}

std::string FirstTag(const std::string& xml, const std::string& tag) {
  std::size_t at = 0;
  return NextTag(xml, tag, &at);
}

class S3Writer : public ObjectWriter {
 public:
  S3Writer(const S3Location& location, std::string name)
      : client_(location), name_(std::move(name)), part_bytes_(location.part_bytes) {}
  ~S3Writer() override {
    if (upload_.empty() || finished_) return;
    const auto aborted =
        client_.Do({.method = "DELETE", .name = name_, .query = {{"uploadId", upload_}}});
    if (!aborted.ok()) LOG(WARNING) << "an upload is left behind: " << aborted.status();
  }

  absl::Status Append(std::string_view bytes) override {
    bytes_ += bytes.size();
    while (!bytes.empty()) {
      const std::string_view take = bytes.substr(0, part_bytes_ - part_.size());
      part_ += take;
      bytes.remove_prefix(take.size());
      if (part_.size() == part_bytes_) PS_RETURN_IF_ERROR(SendPart());
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (upload_.empty()) {
      const auto put = client_.Do({.method = "PUT", .name = name_, .body = part_});
      finished_ = put.ok();
      return put.status();
    }
    if (!part_.empty()) PS_RETURN_IF_ERROR(SendPart());
    std::string body = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < tags_.size(); ++i) {
      absl::StrAppend(&body, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>", tags_[i],
                      "</ETag></Part>");
    }
    body += "</CompleteMultipartUpload>";
    const auto answer = client_.Do(
        {.method = "POST", .name = name_, .query = {{"uploadId", upload_}}, .body = body});
    if (absl::IsNotFound(answer.status())) return CheckThere();
    PS_RETURN_IF_ERROR(answer.status());
    // S3 may find out after it has begun to answer.
    if (absl::StrContains(answer->body, "<Error>")) {
      return absl::UnavailableError(
          absl::StrCat("completing ", name_, ": ", FirstTag(answer->body, "Code")));
    }
    finished_ = true;
    return absl::OkStatus();
  }

 private:
  absl::Status SendPart() {
    if (upload_.empty()) {
      PS_ASSIGN_OR_RETURN(
          const WebAnswer answer,
          client_.Do({.method = "POST", .name = name_, .query = {{"uploads", ""}}}));
      upload_ = FirstTag(answer.body, "UploadId");
      if (upload_.empty()) return absl::UnavailableError("an answer without an UploadId: " + name_);
    }
    const std::string number = absl::StrCat(tags_.size() + 1);
    PS_ASSIGN_OR_RETURN(const WebAnswer answer,
                        client_.Do({.method = "PUT",
                                    .name = name_,
                                    .query = {{"partNumber", number}, {"uploadId", upload_}},
                                    .body = part_}));
    const auto tag = answer.headers.find("etag");
    if (tag == answer.headers.end()) {
      return absl::UnavailableError("an answer without an ETag: " + name_);
    }
    tags_.push_back(tag->second);
    part_.clear();
    if (tags_.size() % kPartsOfASize == 0) part_bytes_ *= 2;
    return absl::OkStatus();
  }

  // The upload is gone: because it was completed and the answer lost, or because somebody ended it.
  absl::Status CheckThere() {
    PS_ASSIGN_OR_RETURN(const WebAnswer answer, client_.Do({.method = "HEAD", .name = name_}));
    const auto length = answer.headers.find("content-length");
    if (length == answer.headers.end() || length->second != absl::StrCat(bytes_)) {
      return absl::UnavailableError("the upload of " + name_ + " was ended by somebody else");
    }
    finished_ = true;
    return absl::OkStatus();
  }

  S3Client client_;
  const std::string name_;
  std::size_t part_bytes_;
  std::uint64_t bytes_ = 0;
  std::string part_;
  std::string upload_;             // empty until the first part is full
  std::vector<std::string> tags_;  // of parts sent
  bool finished_ = false;
};

}  // namespace

std::string S3Storage::Describe(const std::string& name) const {
  const S3Location& at = client_.location();
  return absl::StrCat("s3://", at.bucket, "/", at.prefix, name);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> S3Storage::Create(const std::string& name) {
  return std::make_unique<S3Writer>(client_.location(), name);
}

absl::StatusOr<std::string> S3Storage::Read(const std::string& name, std::uint64_t offset,
                                            std::uint64_t bytes) {
  if (bytes == 0) return std::string();
  const std::lock_guard<std::mutex> lock(mutex_);
  PS_ASSIGN_OR_RETURN(
      WebAnswer answer,
      client_.Do({.method = "GET",
                  .name = name,
                  .range = absl::StrCat("bytes=", offset, "-", offset + bytes - 1)}));
  if (answer.body.size() == bytes) return std::move(answer.body);
  return absl::DataLossError(absl::StrCat(Describe(name), ": offset ", offset + answer.body.size(),
                                          ": ends here, but ", bytes,
                                          " bytes are needed from offset ", offset));
}

absl::StatusOr<std::string> S3Storage::ReadAll(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  PS_ASSIGN_OR_RETURN(WebAnswer answer, client_.Do({.method = "GET", .name = name}));
  return std::move(answer.body);
}

absl::StatusOr<std::vector<StoredObject>> S3Storage::List(const std::string& prefix) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string& own = client_.location().prefix;
  std::vector<StoredObject> objects;
  std::map<std::string, std::string> query = {{"list-type", "2"}, {"prefix", own + prefix}};
  for (;;) {
    PS_ASSIGN_OR_RETURN(const WebAnswer answer, client_.Do({.method = "GET", .query = query}));
    for (std::size_t at = 0;;) {
      const std::string content = NextTag(answer.body, "Contents", &at);
      if (at == std::string::npos) break;
      const std::string key = FirstTag(content, "Key"), size = FirstTag(content, "Size");
      StoredObject object;
      const auto [end, error] =
          std::from_chars(size.data(), size.data() + size.size(), object.bytes);
      if (!absl::StartsWith(key, own) || error != std::errc()) {
        return absl::UnavailableError(absl::StrCat(Describe(prefix), ": a list of other objects"));
      }
      object.name = key.substr(own.size());
      objects.push_back(std::move(object));
    }
    if (FirstTag(answer.body, "IsTruncated") != "true") break;
    query["continuation-token"] = FirstTag(answer.body, "NextContinuationToken");
  }
  std::sort(objects.begin(), objects.end(),
            [](const StoredObject& a, const StoredObject& b) { return a.name < b.name; });
  return objects;
}

absl::Status S3Storage::Remove(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto answer = client_.Do({.method = "DELETE", .name = name});
  return absl::IsNotFound(answer.status()) ? absl::OkStatus() : answer.status();
}

}  // namespace ps
