// AWS Signature Version 4, as S3 wants it ("Authenticating Requests (AWS Signature Version 4)",
// Amazon S3 API Reference). Pure functions; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ps {

struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // may be empty
  std::string region = "us-east-1";
};

struct S3Request {
  std::string method;
  std::string path;                          // not encoded; begins with '/'
  std::map<std::string, std::string> query;  // not encoded
  std::map<std::string, std::string>
      headers;                 // names in lower case; "host" and "x-amz-date" are among them
  std::string payload_sha256;  // hex
};

std::string Sha256Hex(std::string_view bytes);

// The query in canonical form: what stands behind '?' in the URL.
std::string S3Query(const std::map<std::string, std::string>& query);

// The value of the header Authorization; all headers of the request are signed.
// headers["x-amz-date"] is as 20130524T000000Z.
std::string S3Authorization(const S3Request& request, const S3Credentials& credentials);

}  // namespace ps
