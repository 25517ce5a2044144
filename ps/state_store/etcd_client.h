// Calls of etcd's v3 JSON gateway: POST a JSON object, get one back. Tries the endpoints in turn.
// One thread.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ps/base/web_client.h"

namespace ps {

class EtcdClient {
 public:
  EtcdClient(std::vector<std::string> endpoints, const std::string& ca_file)
      : endpoints_(std::move(endpoints)), web_({.ca_file = ca_file}) {}

  // Until the deadline, with short pauses. What etcd refuses for good is InvalidArgument or
  // NotFound, with its words; Unavailable and DeadlineExceeded leave open whether it was done.
  absl::StatusOr<google::protobuf::Struct> Call(const std::string& method, const std::string& json,
                                                std::chrono::steady_clock::time_point deadline);

 private:
  const std::vector<std::string> endpoints_;
  WebClient web_;
  std::size_t current_ = 0;  // the endpoint that answered last
};

// Members of an answer: nested by name; null or zero when absent. The gateway writes 64-bit
// integers as text.
const google::protobuf::Value* JsonMember(const google::protobuf::Struct& object,
                                          std::string_view name);
std::uint64_t JsonInteger(const google::protobuf::Struct& object, std::string_view name);
std::string JsonText(const google::protobuf::Struct& object, std::string_view name);
bool JsonTrue(const google::protobuf::Struct& object, std::string_view name);

// A JSON string of base64, as the gateway has keys and values.
std::string JsonBytes(std::string_view bytes);

}  // namespace ps
