// ps_serve: a request's rows get the predictions that ps_eval --unlabelled gives them, to the last digit, from
// models of every type; while the model is replaced, and while the program is stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "ps/base/web_client.h"
#include "tests/base/raw_connection.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kRows = 600;
constexpr int kRowsOfRequest = 100;

// A text as JSON.
std::string Json(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\t", "\\t"}}), "\"");
}

struct TableRow {
  std::string amount, colour, text;  // the text as it stands in the file, in quotes at times
  int mixed = 0;
};

std::vector<TableRow> DrawRows() {
  std::vector<TableRow> rows;
  for (int r = 0; r < kRows; ++r) {
    const int mixed = (r * 7919 + r / 13) % 1009;
    rows.push_back({mixed % 17 == 0 ? "" : absl::StrCat(mixed * 0.25, r % 2 == 0 ? "" : ".0"), absl::StrCat("colour", mixed % 7),
                    r % 11 == 0 ? absl::StrCat("\"say, \"\"", r % 4, "\"\"\"") : absl::StrCat("t", r % 9), mixed});
    if (rows.back().amount.find('.') != rows.back().amount.rfind('.')) rows.back().amount.resize(rows.back().amount.rfind('.'));
  }
  return rows;
}

std::string Unquoted(const std::string& text) {
  if (text.empty() || text[0] != '"') return text;
  return absl::StrReplaceAll(text.substr(1, text.size() - 2), {{"\"\"", "\""}});
}

class ServeTest : public testing::Test {
 protected:
  void Train(const std::string& job, const std::string& out) {
    WriteText(place_ / "job.yaml", job);
    const Finished run = TrainJob(place_.path(), {"output.dir=" + out});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr("serve:    ps_serve --model " + out));
  }

  void Serve(const std::string& model, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"--model", model, "--name", "m", "--listen", ":0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_ = std::make_unique<Program>("ps_serve", arguments, place_.path());
    ASSERT_TRUE(server_->WaitForError("curl")) << server_->ErrorText();
    const std::string said = server_->ErrorText();
    const std::size_t begin = said.find("http://");
    url_ = said.substr(begin, said.find('\n', begin) - begin);
  }
  void Stop() {
    server_->Signal(SIGTERM);
    const Finished end = server_->Wait();
    EXPECT_EQ(end.exit_code, 0) << end.err;
  }

  int Port() const { return std::atoi(url_.c_str() + url_.rfind(':') + 1); }

  WebAnswer Ask(WebClient& client, const std::string& path, const std::string& body) {
    const auto answer = client.Ask({.method = "POST", .url = url_ + path, .body = body});
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : WebAnswer{};
  }

  // The elements of a list in an answer, as text; `head` is in front of it.
  static std::vector<std::string> List(const std::string& body, const std::string& head) {
    const std::size_t begin = body.find(head);
    EXPECT_NE(begin, std::string::npos) << body;
    if (begin == std::string::npos) return {};
    const std::size_t first = begin + head.size();
    return absl::StrSplit(body.substr(first, body.find(']', first) - first), ", ", absl::SkipEmpty());
  }

  // Predictions of all instances, some at a time.
  std::vector<std::string> Predict(const std::vector<std::string>& instances) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < instances.size(); at += kRowsOfRequest) {
      const std::vector<std::string> some(instances.begin() + at, instances.begin() + at + kRowsOfRequest);
      const WebAnswer answer = Ask(client_, "/v1/models/m:predict", absl::StrCat("{\"instances\": [", absl::StrJoin(some, ", "), "]}"));
      EXPECT_EQ(answer.status, 200) << answer.body;
      for (const std::string& element : List(answer.body, "{\"predictions\": [")) all.push_back(element);
    }
    return all;
  }
  std::vector<std::string> Infer(const std::vector<std::string>& lines, const std::string& output) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < lines.size(); at += kRowsOfRequest) {
      const std::vector<std::string> some(lines.begin() + at, lines.begin() + at + kRowsOfRequest);
      const WebAnswer answer = Ask(client_, "/v2/models/m/infer",
                                   absl::StrCat(R"({"inputs": [{"name": "rows", "datatype": "BYTES", "shape": [)", some.size(),
                                                "], \"data\": [", absl::StrJoin(some, ", "), R"(]}], "outputs": [{"name": ")", output, "\"}]}"));
      EXPECT_EQ(answer.status, 200) << answer.body;
      for (const std::string& element : List(answer.body, "\"data\": [")) all.push_back(element);
    }
    return all;
  }

  // Columns of what ps_eval predicts of a file of rows without labels, from the second one on.
  std::vector<std::vector<std::string>> Evaluated(const std::string& data, const std::string& model) {
    const Finished run = RunProgram(
        "ps_eval", {"--model", model, "--data", data, "--unlabelled", "--predictions", "predictions.csv"}, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    std::vector<std::vector<std::string>> columns;
    std::vector<std::string> lines = absl::StrSplit(ReadText(place_ / "predictions.csv"), '\n', absl::SkipEmpty());
    EXPECT_EQ(lines.size(), kRows + 1);
    lines.erase(lines.begin());
    for (const std::string& line : lines) {
      const std::vector<std::string> cells = absl::StrSplit(line, ',');
      columns.resize(cells.size() - 1);
      for (std::size_t c = 1; c < cells.size(); ++c) columns[c - 1].push_back(cells[c]);
    }
    return columns;
  }

  // train.csv, with labels of label(row), and bare.csv without; forms of the rows as instances.
  template <typename Label>
  void WriteTable(const Label& label) {
    std::string train = "id,label,amount,colour,text\n", bare = "amount,colour,text\n";
    lines_.clear(), objects_.clear(), lists_.clear();
    for (const TableRow& row : DrawRows()) {
      const std::string fields = absl::StrCat(row.amount, ",", row.colour, ",", row.text);
      absl::StrAppend(&train, "i", row.mixed, ",", label(row), ",", fields, "\n");
      absl::StrAppend(&bare, fields, "\n");
      lines_.push_back(Json(absl::StrCat("any,", fields)));
      const std::string amount = row.amount.empty() ? "null" : row.amount, text = Json(Unquoted(row.text));
      objects_.push_back(absl::StrCat("{\"text\": ", text, row.amount.empty() ? "" : ", \"amount\": " + amount, ", \"colour\": ",
                                      Json(row.colour), "}"));
      lists_.push_back(absl::StrCat("[0, ", amount, ", ", Json(row.colour), ", ", text, "]"));
    }
    WriteText(place_ / "train.csv", train);
    WriteText(place_ / "bare.csv", bare);
  }

  void ExpectEqualToEvaluation(const std::string& model) {
    SCOPED_TRACE(model);
    const auto evaluated = Evaluated("bare.csv", model);
    Serve(model);
    EXPECT_EQ(Predict(lines_), evaluated.back());
    EXPECT_EQ(Predict(objects_), evaluated.back());
    EXPECT_EQ(Predict(lists_), evaluated.back());
    EXPECT_EQ(Infer(lines_, "margin"), evaluated.front());
    Stop();
  }

  const Workplace place_;
  std::unique_ptr<Program> server_;
  std::string url_;
  WebClient client_;
  std::vector<std::string> lines_, objects_, lists_;  // of WriteTable's rows
};

const char kTable[] = "data: {train: {files: [train.csv]}, format: csv, header: true}\n"
                      "features: [{column: amount, op: numeric}, {column: colour, op: hash}, {column: text, op: hash}]\n";

TEST_F(ServeTest, TablesGetThePredictionsOfEvaluation) {
  WriteTable([](const TableRow& row) { return row.mixed % 10 < 3 ? "1" : "0"; });
  Train(kTable + std::string("model: {type: lr}\n"), "linear");
  Train(kTable + std::string("model: {type: gbdt, gbdt: {trees: 5}}\n"), "trees");
  Train("data: {train: {files: [train.csv]}, format: csv, header: true}\nfeatures: [{column: amount, op: numeric}]\n"
        "model: {type: gbdt, gbdt: {trees: 3, base_model: linear}}\n", "both");
  for (const char* model : {"linear", "trees", "both"}) ExpectEqualToEvaluation(model);
  WriteTable([](const TableRow& row) { return absl::StrCat(row.mixed * 0.5 - 20); });
  Train(kTable + std::string("model: {type: gbdt, gbdt: {trees: 5, objective: squared}}\n"), "numbers");
  ExpectEqualToEvaluation("numbers");
}

TEST_F(ServeTest, ClassesHaveNamesAndProbabilities) {
  WriteTable([](const TableRow& row) { return row.mixed % 10 < 3 ? "\"a, b\"" : row.mixed % 10 < 6 ? "c" : "d"; });
  Train(kTable + std::string("model: {type: gbdt, gbdt: {trees: 5, objective: softmax}}\n"), "classes");
  const Finished run = RunProgram(
      "ps_eval", {"--model", "classes", "--data", "bare.csv", "--unlabelled", "--predictions", "p.csv"}, place_.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  std::vector<std::string> evaluated = absl::StrSplit(ReadText(place_ / "p.csv"), '\n', absl::SkipEmpty());
  ASSERT_EQ(evaluated.size(), kRows + 1);
  Serve("classes");
  const std::string body = Ask(client_, "/v1/models/m:predict", absl::StrCat("{\"instances\": [", absl::StrJoin(objects_, ", "), "]}")).body;
  const std::vector<std::string> found = absl::StrSplit(body.substr(body.find('[') + 1), "}}", absl::SkipEmpty());
  for (int r = 0; r < kRows; ++r) {
    const std::size_t behind = evaluated[r + 1].rfind(',', evaluated[r + 1].rfind(',', evaluated[r + 1].rfind(',') - 1) - 1);
    const std::size_t row = evaluated[r + 1].find(',') + 1;
    const std::vector<std::string> p = absl::StrSplit(evaluated[r + 1].substr(behind + 1), ',');
    const std::string name = Unquoted(evaluated[r + 1].substr(row, behind - row));
    ASSERT_EQ(found[r], absl::StrCat(r > 0 ? ", " : "", "{\"class\": \"", name, "\", \"probabilities\": {\"a, b\": ", p[0],
                                     ", \"c\": ", p[1], ", \"d\": ", p[2]));
  }
  const std::vector<std::string> likeliest = Infer(lines_, "class"), margins = Infer(lines_, "margin");
  EXPECT_EQ(std::set<std::string>(likeliest.begin(), likeliest.end()).count("\"d\""), 1);
  EXPECT_EQ(margins.size(), 3 * kRows);
  EXPECT_THAT(client_.Ask({.url = url_ + "/v2/models/m"})->body, HasSubstr("{\"classes\": [\"a, b\", \"c\", \"d\"]}"));
  Stop();
}

TEST_F(ServeTest, TextsGetThePredictionsOfEvaluation) {
  for (const std::string format : {"libsvm", "vw"}) {
    SCOPED_TRACE(format);
    Generate(place_.path(), "train." + format, format, kRows);
    std::string bare;
    std::vector<std::string> lines, objects;
    for (const absl::string_view line : absl::StrSplit(ReadText(place_ / ("train." + format)), '\n', absl::SkipEmpty())) {
      const std::string row(line.substr(format == "vw" ? line.find('|') : line.find(' ') + 1));
      absl::StrAppend(&bare, row, "\n");
      lines.push_back(Json(row));
      std::vector<std::string> members;
      for (const absl::string_view token : absl::StrSplit(row, ' ', absl::SkipEmpty())) {
        const std::vector<std::string> parts = absl::StrSplit(token, ':');
        if (parts.size() == 2) members.push_back(absl::StrCat("\"", parts[0], "\": ", parts[1]));
      }
      objects.push_back(absl::StrCat("{", absl::StrJoin(members, ", "), "}"));
    }
    WriteText(place_ / ("bare." + format), bare);
    std::vector<std::string> models{"{type: lr}"};
    if (format == "libsvm") models.push_back("{type: gbdt, gbdt: {trees: 5}}");
    for (const std::string& model : models) {
      Train("data: {train: {files: [train." + format + "]}, format: " + format + "}\nmodel: " + model + "\n", "out");
      const auto evaluated = Evaluated("bare." + format, "out");
      Serve("out");
      EXPECT_EQ(Predict(lines), evaluated.back());
      EXPECT_EQ(Infer(lines, "margin"), evaluated.front());
      if (format == "libsvm") {
        EXPECT_EQ(Predict(objects), evaluated.back());
      }
      Stop();
    }
  }
}

// Each answer is of one model or of the other, and in the end all are of the new one.
TEST_F(ServeTest, TheModelIsReplacedWhileClientsAsk) {
  WriteTable([](const TableRow& row) { return row.mixed % 10 < 3 ? "1" : "0"; });
  Train(kTable + std::string("model: {type: lr}\n"), "out");
  Serve("out", {"--threads", "3"});
  const std::string body = absl::StrCat("{\"instances\": [", absl::StrJoin(objects_, ", "), "]}");
  const std::string before = Ask(client_, "/v1/models/m:predict", body).body;
  std::atomic<bool> done = false;
  std::vector<std::set<std::string>> answers(4);
  std::vector<std::thread> clients;
  for (auto& seen : answers) {
    clients.emplace_back([&] {
      WebClient client;
      while (!done) seen.insert(Ask(client, "/v1/models/m:predict", body).body);
    });
  }
  Train(kTable + std::string("model: {type: gbdt, gbdt: {trees: 5}}\n"), "out");
  EXPECT_TRUE(server_->WaitForError("the model was replaced: version"));
  const std::string after = Ask(client_, "/v1/models/m:predict", body).body;
  done = true;
  for (std::thread& client : clients) client.join();
  EXPECT_NE(after, before);
  for (const auto& seen : answers) {
    for (const std::string& answer : seen) EXPECT_TRUE(answer == before || answer == after) << answer;
  }
  // One that is damaged is not taken.
  WriteText(place_ / "out/manifest.json", "{}");
  EXPECT_TRUE(server_->WaitForError("the old one serves on"));
  EXPECT_EQ(Ask(client_, "/v1/models/m:predict", body).body, after);
  EXPECT_THAT(client_.Ask({.url = url_ + "/metrics"})->body, HasSubstr("ps_serve_reload_failures_total 1\n"));
  Stop();
}

// Whoever was answered got a whole answer; the others know that they were not.
TEST_F(ServeTest, IsStoppedUnderLoad) {
  WriteTable([](const TableRow& row) { return row.mixed % 10 < 3 ? "1" : "0"; });
  Train(kTable + std::string("model: {type: lr}\n"), "out");
  Serve("out");
  const std::string body = absl::StrCat("{\"instances\": [", absl::StrJoin(objects_, ", "), "]}");
  const std::string expected = Ask(client_, "/v1/models/m:predict", body).body;
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&] {
      WebClient client;
      while (true) {
        const auto answer = client.Ask({.method = "POST", .url = url_ + "/v1/models/m:predict", .body = body});
        if (!answer.ok()) return;
        EXPECT_EQ(answer->body, expected);
        ++answered;
      }
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (answered < 40 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GE(answered, 40);
  // A request is under way for certain: the server has said that it waits for the body.
  RawConnection under_way(Port());
  ASSERT_TRUE(under_way.Send(absl::StrCat("POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ",
                                          body.size(), "\r\n\r\n")));
  ASSERT_THAT(under_way.ReadUntil("100 Continue"), HasSubstr("100 Continue"));
  server_->Signal(SIGTERM);
  ASSERT_TRUE(server_->WaitForError("stopping, after the requests"));
  ASSERT_TRUE(under_way.Send(body));
  const std::string& answer = under_way.ReadUntil("]}\n");
  EXPECT_THAT(answer, AllOf(HasSubstr("200 OK"), HasSubstr("Connection: close"), HasSubstr(expected)));
  const Finished end = server_->Wait();
  EXPECT_EQ(end.exit_code, 0) << end.err;
  for (std::thread& client : clients) client.join();
}

// A model that was replaced is given back, the first like all others.
TEST_F(ServeTest, ModelsThatWereReplacedAreFreed) {
  WriteTable([](const TableRow& row) { return row.mixed % 10 < 3 ? "1" : "0"; });
  Train(kTable + std::string("model: {type: lr}\n"), "out");
  Serve("out");
  const std::string version = client_.Ask({.url = url_ + "/v1/models/m"})->body;
  Train(kTable + std::string("model: {type: lr}\ntrain: {passes: 2}\n"), "out");
  ASSERT_TRUE(server_->WaitForError("the model was replaced: version"));
  EXPECT_NE(client_.Ask({.url = url_ + "/v1/models/m"})->body, version);
  // At the next look, a second later.
  const std::string maps = absl::StrCat("/proc/", server_->pid(), "/maps");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto kept = [&] { return absl::StrContains(ReadText(maps), "weights.bin (deleted)"); };
  while (kept() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(kept());
  EXPECT_THAT(ReadText(maps), HasSubstr("weights.bin"));  // that of the new one
  Stop();
}

TEST_F(ServeTest, WhatCannotBeServedEndsWithAMessage) {
  Generate(place_.path(), "train.svm", "libsvm", kRows);
  Train("data: {train: {files: [train.svm]}, format: libsvm}\nmodel: {type: lr}\n", "out");
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& what) {
    const Finished run = RunProgram("ps_serve", arguments, place_.path());
    EXPECT_EQ(run.exit_code, code) << run.err;
    EXPECT_THAT(run.err, HasSubstr(what));
  };
  Serve("out");
  const std::string port = url_.substr(url_.rfind(':'));
  refused({"--model", "out", "--listen", port}, 75, "another program has this port");
  refused({}, 2, "--model is missing");
  refused({"--model", "out", "--listen", "203.0.113.1:0"}, 2, "cannot listen at 203.0.113.1:0");
  refused({"--model", "out", "--listen", "8080"}, 2, "there is no port");
  refused({"--model", "out", "--name", "a/b"}, 2, "cannot be a model's name in a path");
  refused({"--model", "out", "--max_rows", "0"}, 2, "--max_rows is 1 to");
  refused({"--model", "train.svm"}, 2, "train.svm");
  // Before the body has come: a client that has sent some of it may find the connection closed, and no answer.
  RawConnection large(Port());
  ASSERT_TRUE(large.Send("POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 16777217\r\n\r\n"));
  EXPECT_THAT(large.ReadUntil("bytes\n"), HasSubstr("HTTP/1.1 413 "));
  Stop();
  WriteText(place_ / "out/weights.bin", "x");
  refused({"--model", "out"}, 3, "out/weights.bin");
}

// What it prints can be pasted: the names are those of the model.
TEST_F(ServeTest, PrintsARequestThatItTakes) {
  WriteTable([](const TableRow& row) { return row.mixed % 10 < 3 ? "1" : "0"; });
  Train(kTable + std::string("model: {type: lr}\n"), "out");
  Serve("out");
  const std::string said = server_->ErrorText();
  const std::size_t begin = said.find("-d '") + 4;
  const std::string body = said.substr(begin, said.find("'\n", begin) - begin);
  EXPECT_EQ(body, R"({"instances": [{"amount": 1, "colour": "a", "text": "a"}]})");
  EXPECT_EQ(Ask(client_, "/v1/models/m:predict", body).status, 200);
  Stop();
}

}  // namespace
}  // namespace ps
