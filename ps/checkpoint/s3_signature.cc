#include "ps/checkpoint/s3_signature.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ps/base/web_client.h"

namespace ps {
namespace {

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

std::string Hmac(const std::string& key, const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return Hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string S3Query(const std::map<std::string, std::string>& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    absl::StrAppend(&text, text.empty() ? "" : "&", PercentEncode(name), "=", PercentEncode(value));
  }
  return text;
}

std::string S3Authorization(const S3Request& request, const S3Credentials& credentials) {
  std::string headers, names;
  for (const auto& [name, value] : request.headers) {
    absl::StrAppend(&headers, name, ":", value, "\n");
    absl::StrAppend(&names, names.empty() ? "" : ";", name);
  }
  const std::string canonical = absl::StrCat(
      request.method, "\n", PercentEncode(request.path, true), "\n", S3Query(request.query), "\n",
      headers, "\n", names, "\n", request.payload_sha256);
  const std::string& time = request.headers.at("x-amz-date");
  const std::string date = time.substr(0, 8);
  const std::string scope = absl::StrCat(date, "/", credentials.region, "/s3/aws4_request");
  const std::string text =
      absl::StrCat("AWS4-HMAC-SHA256\n", time, "\n", scope, "\n", Sha256Hex(canonical));
  std::string key = "AWS4" + credentials.secret_key;
  for (const std::string& part :
       {date, credentials.region, std::string("s3"), std::string("aws4_request")}) {
    key = Hmac(key, part);
  }
  return absl::StrCat("AWS4-HMAC-SHA256 Credential=", credentials.access_key, "/", scope,
                      ",SignedHeaders=", names, ",Signature=", Hex(Hmac(key, text)));
}

}  // namespace ps
