// The examples of Amazon's S3 API Reference, "Authenticating Requests: Using the Authorization
// Header".
#include "ps/checkpoint/s3_signature.h"

#include <gtest/gtest.h>

namespace ps {
namespace {

constexpr char kEmpty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string SignatureOf(S3Request request) {
  request.headers["host"] = "examplebucket.s3.amazonaws.com";
  request.headers["x-amz-date"] = "20130524T000000Z";
  request.headers["x-amz-content-sha256"] = request.payload_sha256;
  const std::string text =
      S3Authorization(request, {.access_key = "AKIAIOSFODNN7EXAMPLE",
                                .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"});
  EXPECT_EQ(text.find("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                      "aws4_request,SignedHeaders="),
            0u)
      << text;
  return text.substr(text.find("Signature=") + 10);
}

TEST(S3Signature, GetObject) {
  EXPECT_EQ(Sha256Hex(""), kEmpty);
  EXPECT_EQ(SignatureOf({.method = "GET",
                         .path = "/test.txt",
                         .headers = {{"range", "bytes=0-9"}},
                         .payload_sha256 = kEmpty}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(S3Signature, PutObject) {
  EXPECT_EQ(SignatureOf({.method = "PUT",
                         .path = "/test$file.text",
                         .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                     {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                         .payload_sha256 = Sha256Hex("Welcome to Amazon S3.")}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(S3Signature, SubresourceWithoutAValue) {
  EXPECT_EQ(
      SignatureOf(
          {.method = "GET", .path = "/", .query = {{"lifecycle", ""}}, .payload_sha256 = kEmpty}),
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(S3Signature, ListObjects) {
  EXPECT_EQ(SignatureOf({.method = "GET",
                         .path = "/",
                         .query = {{"prefix", "J"}, {"max-keys", "2"}},
                         .payload_sha256 = kEmpty}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

}  // namespace
}  // namespace ps
