// Requests that were good before some of their bytes were changed: whatever comes, the answer is a
// well-formed one of 200, 400 or 413. A failure prints the request.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "tests/serving/served_jobs.h"

namespace ps {
namespace {

const std::vector<std::string> kPieces = {"{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "1e9999", "-", "0.5", "\n",
                                          "\\u0000", "\\ud800", "{\"instances\":", "[[[[", "\"price\"", "99999999999999999999",
                                          "\xc3\xa4", "\xff", std::string(1, '\0'), "\"a,b,c\"", "\"name\":", "\"data\":[", "/**/"};

class Mutations {
 public:
  explicit Mutations(std::uint64_t seed) : random_(seed) {}

  std::string Of(std::string text) {
    for (std::uint64_t changes = 1 + random_() % 4; changes > 0 && !text.empty(); --changes) {
      const std::size_t at = random_() % text.size(), count = 1 + random_() % 12;
      switch (random_() % 6) {
        case 0: text[at] = static_cast<char>(random_()); break;
        case 1: text.erase(at, count); break;
        case 2: text.insert(at, kPieces[random_() % kPieces.size()]); break;
        case 3: text.insert(at, text.substr(random_() % text.size(), count * 4)); break;
        case 4: text.resize(at); break;
        default: text.replace(at, count, kPieces[random_() % kPieces.size()]);
      }
    }
    return text;
  }

 private:
  std::mt19937_64 random_;
};

TEST(RequestFuzz, EveryAnswerIsAWellFormedOne) {
  const std::string place = ServingPlace();
  TrainTable(place);
  TrainLibsvm(place);
  const auto tables = Watch(place + "/table"), texts = Watch(place + "/libsvm");
  ModelService table({.name = "t", .most_rows = 16}, tables.get()), text({.name = "t", .most_rows = 16}, texts.get());
  const std::string predict = "/v1/models/t:predict", infer = "/v2/models/t/infer";
  const std::vector<std::pair<std::string, std::string>> good = {
      {predict, R"({"instances": [{"price": 7.5, "colour": "c1", "note": "say, \"hi\" \u00e4"}, {"price": null}]})"},
      {predict, R"({"signature_name": "x", "instances": [[1, "c", "n"], "1,c2,\"a, b\"", {"label": true, "weight": 1e3}]})"},
      {predict, R"({"instances": [{"3": 1, "7": 0.5}, "3:1 8:1e2", "1 5:1 # x"]})"},
      {infer, R"({"id": "x", "inputs": [{"name": "price", "shape": [2, 1], "datatype": "FP32", "data": [[1], [null]]},
                  {"name": "colour", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}], "outputs": [{"name": "margin"}]})"},
      {infer, R"({"inputs": [{"name": "rows", "shape": [2], "datatype": "BYTES", "data": ["1,c,n", "3:1"]}]})"},
  };
  const char* rounds = std::getenv("PS_FUZZ_ROUNDS");
  const int most = rounds != nullptr ? std::atoi(rounds) : 30000;
  Mutations mutations(7);
  int answered = 0;
  for (int round = 0; round < most; ++round) {
    const auto& [path, body] = good[static_cast<std::size_t>(round) % good.size()];
    const std::string changed = mutations.Of(body);
    for (ModelService* service : {&table, &text}) {
      const HttpResponse answer = Post(*service, path, changed);
      ASSERT_TRUE(answer.status == 200 || answer.status == 400 || answer.status == 413)
          << answer.status << " " << absl::CHexEscape(changed) << "\n" << answer.body;
      const auto json = JsonReader::Read(answer.body);
      ASSERT_TRUE(json) << absl::CHexEscape(changed) << "\n" << answer.body;
      answered += answer.status == 200;
      ASSERT_EQ(json->members.count("error"), answer.status == 200 ? 0 : 1) << answer.body;
    }
  }
  EXPECT_GT(answered, most / 200);  // some changes leave a request sound
}

}  // namespace
}  // namespace ps
