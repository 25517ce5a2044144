// Checkpoints in S3-compatible object storage: path-style URLs, Signature Version 4, multipart
// uploads.
//
// An upload that is not finished is aborted; what a killed process left is invisible (buckets
// should have a rule that ends old uploads). Answers 5xx, 429 and broken connections are tried
// again with growing pauses. Any thread: calls exclude each other; a writer has a connection of its
// own.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "ps/base/web_client.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "ps/checkpoint/s3_signature.h"

namespace ps {

struct S3Location {
  std::string endpoint;  // http[s]://HOST[:PORT]
  std::string bucket;
  std::string prefix;   // of all names, with a slash at its end; may be empty
  std::string ca_file;  // https: empty for the system's authorities
  S3Credentials credentials;
  std::size_t part_bytes = std::size_t{8}
                           << 20;  // at least 5 MiB but for tests; grows for huge objects
  int tries = 6;
  std::chrono::milliseconds first_pause{
      200};  // before the second try; then twice as long each time
  std::chrono::milliseconds call_limit{60000};
};

// Of `s3://BUCKET/PREFIX` and the environment, as other tools read it: AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE.
// `endpoint`, when not empty, wins. InvalidArgument says what is missing.
absl::StatusOr<S3Location> S3LocationFrom(const std::string& url, const std::string& endpoint);

// One request at a time, signed and tried again. One thread.
class S3Client {
 public:
  explicit S3Client(const S3Location& location)
      : location_(location), web_({.ca_file = location.ca_file}) {}

  struct Call {
    std::string method;
    std::string name;  // of the object, without the prefix; empty: the bucket
    std::map<std::string, std::string> query;
    std::string range;  // "bytes=0-9"; may be empty
    std::string_view body;
  };
  // An answer of 2xx. NotFound, PermissionDenied, DataLoss (a range beyond the end),
  // InvalidArgument for other answers 4xx, Unavailable and DeadlineExceeded when all tries failed.
  absl::StatusOr<WebAnswer> Do(const Call& call);
  const S3Location& location() const { return location_; }

 private:
  absl::StatusOr<WebAnswer> Try(const Call& call);

  const S3Location location_;
  WebClient web_;
};

class S3Storage : public CheckpointStorage {
 public:
  explicit S3Storage(const S3Location& location) : client_(location) {}

  absl::StatusOr<std::unique_ptr<ObjectWriter>> Create(const std::string& name) override;
  absl::StatusOr<std::string> Read(const std::string& name, std::uint64_t offset,
                                   std::uint64_t bytes) override;
  absl::StatusOr<std::string> ReadAll(const std::string& name) override;
  absl::StatusOr<std::vector<StoredObject>> List(const std::string& prefix) override;
  absl::Status Remove(const std::string& name) override;
  std::string Describe(const std::string& name) const override;

 private:
  std::mutex mutex_;
  S3Client client_;  // protected by mutex_, but for its constant location
};

}  // namespace ps
