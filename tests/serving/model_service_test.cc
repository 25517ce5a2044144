#include "serving/model_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/control/prometheus_reader.h"
#include "tests/serving/served_jobs.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ModelServiceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    place_ = ServingPlace();
    TrainTable(place_);
    TrainLibsvm(place_);
  }

  std::string Table(const std::string& instances) {
    const HttpResponse answer = Post(table_, "/v1/models/t:predict", "{\"instances\": " + instances + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(answer.body, StartsWith("{\"predictions\": ["));
    return answer.body;
  }
  void ExpectSame(const std::string& one, const std::string& other) { EXPECT_EQ(Table(one), Table(other)) << one << other; }
  void ExpectRefused(ModelService& service, const std::string& instances, const std::string& what) {
    const HttpResponse answer = Post(service, "/v1/models/t:predict", instances);
    EXPECT_EQ(answer.status, 400) << answer.body;
    const auto json = JsonReader::Read(answer.body);
    ASSERT_TRUE(json) << answer.body;
    EXPECT_THAT(json->members.at("error").text, HasSubstr(what)) << instances.substr(0, 200);
  }

  static std::string place_;
  const std::unique_ptr<ModelWatch> models_ = Watch(place_ + "/table");
  const std::unique_ptr<ModelWatch> libsvm_models_ = Watch(place_ + "/libsvm");
  ModelService table_{{.name = "t", .most_rows = 8}, models_.get()};
  ModelService libsvm_{{.name = "t", .most_rows = 8}, libsvm_models_.get()};
};

std::string ModelServiceTest::place_;

TEST_F(ModelServiceTest, FormsOfARowMeanTheSame) {
  const std::string object = R"([{"price": 7.50, "colour": "c1", "note": "say, \"hi\""}])";
  ExpectSame(object, R"([{"note": "say, \"hi\"", "colour": "c1", "price": 7.5}])");
  ExpectSame(object, R"([{"note": "say, \"hi\"", "colour": "c1", "price": "7.50", "label": 1, "weight": 3}])");
  ExpectSame(object, R"([[7.5, "c1", "say, \"hi\""]])");
  ExpectSame(object, R"([[true, 7.5, "c1", "say, \"hi\"", null]])");
  ExpectSame(object, R"([["nobody looks at it", 7.5, "c1", "say, \"hi\"", 2]])");
  ExpectSame(object, R"(["7.5,c1,\"say, \"\"hi\"\"\""])");
  ExpectSame(object, R"(["1,7.5,c1,\"say, \"\"hi\"\"\",4\r\n"])");
  EXPECT_NE(Table(object), Table(R"([{"price": 200, "colour": "c1", "note": "say, \"hi\""}])"));
  EXPECT_NE(Table(object), Table(R"([{"price": 7.5, "colour": "c2", "note": "say, \"hi\""}])"));
}

TEST_F(ModelServiceTest, WhatHasNoValueIsMissing) {
  const std::string missing = R"([{"price": 7.5}])";
  ExpectSame(missing, R"([{"price": 7.5, "colour": null, "note": ""}])");
  ExpectSame(missing, R"([[7.5, null, null]])");
  ExpectSame(missing, R"(["7.5,,"])");
  ExpectSame("[{}]", "[[null, null, null]]");
  EXPECT_NE(Table(missing), Table("[{}]"));
}

TEST_F(ModelServiceTest, FlagsAreWordsOrNumbersByTheColumn) {
  ExpectSame(R"([{"price": true}, {"price": false}])", R"([{"price": 1}, {"price": 0}])");
  ExpectSame(R"([{"colour": true}])", R"([{"colour": "true"}])");
}

TEST_F(ModelServiceTest, NumbersKeepTheirOwnDigits) {
  // As texts of a column of texts these are five values.
  for (const char* number : {"1", "1.0", "1e0", "-0", "12345678901234567890123"}) {
    ExpectSame(std::string(R"([{"colour": )") + number + "}]", std::string(R"([{"colour": ")") + number + "\"}]");
    ExpectSame(std::string(R"([{"price": )") + number + " }]", std::string(R"([{"price": ")") + number + "\"}]");
  }
}

TEST_F(ModelServiceTest, ManyRowsAreAnsweredInTheirOrder) {
  const auto all = JsonReader::Read(Table(R"([{"price": 1}, ["200", "c1", "n"], "3,c2,n"])"));
  ASSERT_TRUE(all);
  const auto& predictions = all->members.at("predictions").items;
  ASSERT_EQ(predictions.size(), 3);
  const char* one[] = {R"([{"price": 1}])", R"([["200", "c1", "n"]])", R"(["3,c2,n"])"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(JsonReader::Read(Table(one[i]))->members.at("predictions").items.at(0).number, predictions[i].number);
  }
  EXPECT_EQ(Table("[]"), "{\"predictions\": []}\n");
}

// JSON has no word for it.
TEST_F(ModelServiceTest, APredictionThatIsNoNumberIsNamed) {
  std::string members;  // each of them in the direction in which it raises the margin
  for (int index = 1; index <= 200; ++index) {
    const std::string large = absl::StrCat("{\"", index, "\": 3e38}");
    const HttpResponse alone = Post(libsvm_, "/v1/models/t:predict", "{\"instances\": [" + large + "]}");
    ASSERT_EQ(alone.status, 200) << alone.body;
    const bool raises = JsonReader::Read(alone.body)->members.at("predictions").items.at(0).number > 0.5;
    absl::StrAppend(&members, index > 1 ? ", " : "", "\"", index, "\": ", raises ? "3e38" : "-3e38");
  }
  ExpectRefused(libsvm_, "{\"instances\": [{\"3\": 1}, {" + members + "}]}", "instances[1]: the model predicts no finite number");
}

TEST_F(ModelServiceTest, AWrongRowIsNamed) {
  const auto refused = [&](const std::string& instances, const std::string& what) {
    ExpectRefused(table_, "{\"instances\": " + instances + "}", what);
  };
  refused(R"([{"price": 1}, {"price": "abc"}])", "instances[1]: expected a number in column \"price\", found 'abc'");
  refused(R"([{"price": 1}, "x,c1,n", {"price": "abc"}])", "instances[1]: expected a number in column \"price\", found 'x'");
  refused(R"([{"price": 1}, {"prize": 2}])", "instances[1]: there is no column \"prize\", but label, price, colour");
  refused(R"([{"price": 1, "price": 2}])", "instances[0]: column \"price\": it is there twice");
  refused(R"([{"price": [1]}])", "instances[0]: \"price\": expected a number, a text, true, false or null");
  refused(R"([{"colour": "a\nb"}])", "instances[0]: column \"colour\": a text of several lines");
  refused(R"([[1, 2]])", "instances[0]: expected 5, or 4 without the label, or 3 without label and weight columns, found 2");
  refused(R"([[1, 2, 3, 4, 5, 6, 7, 8]])", "or 3 without label and weight columns, found more");
  refused(R"([[1, 2, {"a": 1}]])", "instances[0]: cell 2: expected a number, a text");
  refused(R"(["1,2,3\n4,5,6"])", "instances[0]: a row is one line of text");
  refused(R"([""])", "instances[0]: an empty line is no row");
  refused(R"(["\"7,c1,n"])", "instances[0]: ");
  refused(R"([7])", "instances[0]: expected an object, a list of cells, or a text");
  refused("7", "\"instances\": expected a list");
  const HttpResponse many = Post(table_, "/v1/models/t:predict", "{\"instances\": [{},{},{},{},{},{},{},{},{}]}");
  EXPECT_EQ(many.status, 413);
  EXPECT_THAT(many.body, HasSubstr("at most 8 rows"));
}

TEST_F(ModelServiceTest, WhatIsNoRequestIsRefused) {
  ExpectRefused(table_, "", "no JSON");
  ExpectRefused(table_, "[]", "no JSON object");
  ExpectRefused(table_, "{}", "there are no \"instances\"");
  ExpectRefused(table_, R"({"instances": [], "instances": []})", "\"instances\" is there twice");
  ExpectRefused(table_, R"({"inputs": []})", "unknown member \"inputs\"");
  ExpectRefused(table_, R"({"instances": []} {})", "no JSON");
  ExpectRefused(table_, R"({"instances": []} 5)", "no JSON");
  ExpectRefused(table_, R"({"instances": [{"price": 01}]})", "no JSON at byte");
  ExpectRefused(table_, R"({"instances": [{"price": tru}]})", "no JSON at byte");
  ExpectRefused(table_, R"({"instances": [{"price": nul}]})", "no JSON at byte");
  ExpectRefused(table_, R"({"instances": [{"price": 1,}]})", "no JSON");
  ExpectRefused(table_, "{\"instances\": [\"\xff\"]}", "no JSON");
  ExpectRefused(table_, std::string(100000, '['), "no JSON");
  ExpectRefused(table_, "{\"instances\": " + std::string(100000, '[') + std::string(100000, ']') + "}", "cell 0: expected a number");
  EXPECT_EQ(Post(table_, "/v1/models/t:predict", R"({"signature_name": "serving_default", "instances": []})").status, 200);
}

TEST_F(ModelServiceTest, LibsvmRowsHaveIndices) {
  const auto predict = [&](const std::string& instances) {
    return Post(libsvm_, "/v1/models/t:predict", "{\"instances\": " + instances + "}");
  };
  const std::string expected = predict(R"([{"3": 1, "107": 0.5}])").body;
  EXPECT_NE(expected, predict("[{}]").body);
  for (const char* same : {R"([{"107": 0.50, "3": true, "9": null, "8": false}])", R"(["3:1 107:0.5"])", R"(["1 3:1 107:0.5\n"])"}) {
    EXPECT_EQ(predict(same).body, expected) << same;
  }
  for (const char* none : {R"([""])", R"([" \t"])", R"(["  # 3:1"])"}) {
    ExpectRefused(libsvm_, std::string("{\"instances\": ") + none + "}", "instances[0]: the line holds no row");
  }
  EXPECT_EQ(predict(R"(["0"])").body, predict("[{}]").body);  // a label is a row
  ExpectRefused(libsvm_, R"({"instances": [{"000000000000000000000000000003": 1}]})", "expected an index");
  ExpectRefused(libsvm_, R"({"instances": [{"a": 1}]})", "instances[0]: expected an index, as in {\"3\": 1}, found \"a\"");
  ExpectRefused(libsvm_, R"({"instances": [{"3": "1"}]})", "instances[0]: index 3: expected a number, found \"1\"");
  ExpectRefused(libsvm_, R"({"instances": [{"3": 1}, "3:1 4:x"]})", "instances[1]: expected a number, found 'x'");
  ExpectRefused(libsvm_, R"({"instances": [[3]]})", "instances[0]: a list has the columns of a table");
}

TEST_F(ModelServiceTest, SpeaksTheOpenInferenceProtocol) {
  const HttpResponse answer = Post(table_, "/v2/models/t/infer", R"({"id": "a\"1", "parameters": {"x": [1]}, "inputs": [
      {"data": [7.50, null], "name": "price", "shape": [2, 1], "datatype": "FP32"},
      {"name": "colour", "shape": [2], "datatype": "BYTES", "data": [["c1"], ["c2"]], "parameters": {}}],
      "outputs": [{"name": "margin", "parameters": {"binary_data": false}}, {"name": "probability"}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto json = JsonReader::Read(answer.body);
  ASSERT_TRUE(json) << answer.body;
  EXPECT_EQ(json->members.at("model_name").text, "t");
  EXPECT_EQ(json->members.at("model_version").text, models_->Current()->version());
  EXPECT_EQ(json->members.at("id").text, "a\"1");
  const auto& outputs = json->members.at("outputs").items;
  ASSERT_EQ(outputs.size(), 2);
  EXPECT_EQ(outputs[0].members.at("name").text, "margin");
  EXPECT_EQ(outputs[1].members.at("name").text, "probability");
  EXPECT_EQ(outputs[1].members.at("shape").items.at(0).number, 2);
  const auto predicted = JsonReader::Read(Table(R"([{"price": 7.50, "colour": "c1"}, {"colour": "c2"}])"));
  for (int i = 0; i < 2; ++i) {
    const double probability = outputs[1].members.at("data").items.at(i).number;
    EXPECT_EQ(probability, predicted->members.at("predictions").items.at(i).number);
    EXPECT_NEAR(probability, 1 / (1 + std::exp(-outputs[0].members.at("data").items.at(i).number)), 1e-6);
  }
  const HttpResponse lines = Post(libsvm_, "/v2/models/t/infer",
                                  R"({"inputs": [{"name": "rows", "shape": [1], "datatype": "BYTES", "data": ["3:1"]}]})");
  const HttpResponse index = Post(libsvm_, "/v2/models/t/infer",
                                  R"({"inputs": [{"name": "3", "shape": [1], "datatype": "INT64", "data": [1]}]})");
  EXPECT_EQ(lines.status, 200) << lines.body;
  EXPECT_EQ(lines.body, index.body);
}

TEST_F(ModelServiceTest, SaysWhatIsWrongWithTensors) {
  const auto refused = [&](const std::string& body, const std::string& what) {
    const HttpResponse answer = Post(table_, "/v2/models/t/infer", body);
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_THAT(JsonReader::Read(answer.body)->members.at("error").text, HasSubstr(what)) << body;
  };
  const auto price = [](const std::string& rest) { return R"({"inputs": [{"name": "price", )" + rest + "}]}"; };
  refused("{}", "there are no \"inputs\"");
  refused(R"({"inputs": 1})", "\"inputs\": expected a list");
  refused(R"({"inputs": [1]})", "\"inputs\": expected objects");
  refused(price(R"("shape": [1], "datatype": "FP32")"), "input \"price\": there is no data");
  refused(price(R"("datatype": "FP32", "data": [1])"), "shape: expected [n] or [n, 1]");
  refused(price(R"("shape": [1, 2], "datatype": "FP32", "data": [1, 2])"), "shape: expected [n] or [n, 1]");
  refused(price(R"("shape": [-1], "datatype": "FP32", "data": [1])"), "shape: expected [n] or [n, 1]");
  refused(price(R"("shape": [3], "datatype": "FP32", "data": [1, 2])"), "the shape says 3 elements, data has 2");
  refused(price(R"("shape": [1], "datatype": "FP31", "data": [1])"), "there is no datatype \"FP31\"");
  refused(price(R"("shape": [2], "datatype": "FP32", "data": [1, "2"])"), "are numbers: element 1 is none");
  refused(price(R"("shape": [1], "datatype": "BYTES", "data": ["x"])"), "rows[0]: expected a number in column \"price\", found 'x'");
  refused(R"({"inputs": [{"name": "prize", "shape": [1], "datatype": "FP32", "data": [1]}]})", "there is no column \"prize\"");
  refused(R"({"inputs": [{"name": "price", "name": "x"}]})", "\"name\" is there twice");
  refused(R"({"inputs": [{"name": "price", "shape": [1], "datatype": "FP32", "data": [1]},
                         {"name": "colour", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}]})",
          "input \"colour\": it has 2 rows, \"price\" has 1");
  refused(R"({"outputs": [{"name": "odds"}], "inputs": []})", "there is no output \"odds\", but probability, margin");
  refused(R"({"inputs": [{"name": "rows", "shape": [1], "datatype": "FP32", "data": [1]}]})", "input \"rows\" has rows' lines");
}

// What a request makes of memory is bounded, whatever its bytes are.
TEST_F(ModelServiceTest, LargeRequestsAreRefused) {
  ModelService many{{.name = "t", .most_rows = 1 << 20}, models_.get()};
  std::string rows = "{}";
  for (std::size_t row = 1; row <= RequestRows::kMostCells / 5; ++row) rows += ",{}";
  const HttpResponse wide = Post(many, "/v1/models/t:predict", "{\"instances\": [" + rows + "]}");
  EXPECT_EQ(wide.status, 413);
  EXPECT_THAT(wide.body, HasSubstr("at most 4194304 cells: 838860 rows of 5 columns"));
  const auto infer = [&](ModelService& service, const std::string& body) { return Post(service, "/v2/models/t/infer", body).body; };
  EXPECT_THAT(infer(table_, R"({"inputs": [{}, {}, {}, {}, {}, {}]})"), HasSubstr("more inputs than the 5 that there may be"));
  std::string inputs = "{}", members = "\"a\": 1";
  for (int i = 0; i < 64 << 10; ++i) inputs += ",{}";
  EXPECT_THAT(infer(libsvm_, "{\"inputs\": [" + inputs + "]}"), HasSubstr("more inputs than the 65536 that there may be"));
  for (int i = 0; i < 64; ++i) members += ", \"" + std::to_string(i) + "\": 1";
  EXPECT_THAT(infer(table_, "{\"inputs\": [{" + members + "}]}"), HasSubstr("an object has too many members"));
}

// 7 and 7.0 are one number and two texts: who is told that a column has numbers may send either.
TEST_F(ModelServiceTest, ColumnsThatAreHashedHaveTexts) {
  const auto datatype = [&](const std::string& features, const std::string& model = "lr") {
    const std::atomic<bool> stop = false;
    Train(absl::StrCat("job: h\ndata: {train: {files: [", place_, "/train.csv]}, format: csv, header: true}\nfeatures: [", features,
                       "]\nmodel: {type: ", model, "}\noutput: {dir: ", place_, "/hashed}\n"),
          {}, stop);
    const auto watch = Watch(place_ + "/hashed");
    ModelService service({.name = "t"}, watch.get());
    return JsonReader::Read(Get(service, "/v2/models/t").body)->members.at("inputs").items.at(0).members.at("datatype").text;
  };
  EXPECT_EQ(datatype("{column: price, op: numeric}"), "FP64");
  EXPECT_EQ(datatype("{column: price, op: hash}"), "BYTES");
  EXPECT_EQ(datatype("{column: price, op: numeric}, {column: price, op: hash}"), "BYTES");
  const std::string trees = "gbdt, gbdt: {trees: 2}";  // of categories
  EXPECT_EQ(datatype("{column: price, op: numeric}", trees), "FP64");
  EXPECT_EQ(datatype("{column: price, op: hash}", trees), "BYTES");
}

TEST_F(ModelServiceTest, DescribesModelAndServer) {
  const auto metadata = JsonReader::Read(Get(table_, "/v2/models/t").body);
  ASSERT_TRUE(metadata);
  const auto& inputs = metadata->members.at("inputs").items;
  ASSERT_EQ(inputs.size(), 3);  // neither label nor weight
  EXPECT_EQ(inputs[0].members.at("name").text, "price");
  EXPECT_EQ(inputs[0].members.at("datatype").text, "FP64");
  EXPECT_EQ(inputs[1].members.at("datatype").text, "BYTES");
  EXPECT_EQ(metadata->members.at("versions").items.at(0).text, models_->Current()->version());
  EXPECT_TRUE(JsonReader::Read(Get(libsvm_, "/v2/models/t").body));
  EXPECT_TRUE(JsonReader::Read(Get(table_, "/v2").body));
  const auto status = JsonReader::Read(Get(table_, "/v1/models/t").body);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->members.at("model_version_status").items.at(0).members.at("state").text, "AVAILABLE");
  for (const char* path : {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/v2/models/t/ready"}) {
    EXPECT_EQ(Get(table_, path).status, 200) << path;
  }
  for (const char* path : {"/", "/v1/models/u", "/v1/models/", "/v1/models/tt", "/v2/models/t/x", "/v1/models/t/ready"}) {
    EXPECT_EQ(Get(table_, path).status, 404) << path;
  }
  EXPECT_EQ(Get(table_, "/v1/models/t:predict").status, 405);
  EXPECT_EQ(Post(table_, "/v2", "").status, 405);
  table_.Drain();
  EXPECT_EQ(Get(table_, "/readyz").status, 503);
  EXPECT_EQ(Get(table_, "/healthz").status, 200);
}

TEST_F(ModelServiceTest, CountsWhatItDoes) {
  Table(R"([{"price": 1}, {"price": 2}])");
  Post(table_, "/v1/models/t:predict", "x");
  std::string error;
  const auto page = PrometheusPage::Read(Get(table_, "/metrics").body, &error);
  ASSERT_TRUE(page) << error;
  EXPECT_EQ(page->Value("ps_serve_requests_total", {{"code", "200"}}), 1);
  EXPECT_EQ(page->Value("ps_serve_requests_total", {{"code", "400"}}), 1);
  EXPECT_EQ(page->Value("ps_serve_rows_total"), 2);
  EXPECT_EQ(page->Value("ps_serve_request_seconds_count"), 2);
  EXPECT_EQ(page->Value("ps_serve_request_seconds_bucket", {{"le", "+Inf"}}), 2);
  EXPECT_EQ(page->Value("ps_serve_model_info", {{"model", "t"}, {"version", models_->Current()->version()}}), 1);
}

}  // namespace
}  // namespace ps
