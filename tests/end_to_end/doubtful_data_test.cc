// Data that can be learnt from, and most likely are not what somebody meant: said, and not refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/end_to_end/errors_fixture.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kLinear[] = "model.type=lr";
constexpr char kTrees[] = "model={type: gbdt, gbdt: {trees: 2}}";

class DoubtfulDataTest : public ErrorsTest {
 protected:
  Finished TrainAll(const std::vector<std::string>& settings, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = more;
    for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    return Train(arguments);
  }
};

TEST_F(DoubtfulDataTest, FilesOfTwoPartsAreNamed) {
  WriteText(place_ / "other.svm", Rows());
  std::filesystem::create_symlink("train.svm", place_ / "link.svm");
  for (const std::string model : {kLinear, kTrees}) {
    for (const std::vector<std::string>& dry : {std::vector<std::string>{"--dry_run"}, {}}) {
      const Finished both = TrainAll({model, "data.valid.files=[other.svm, ./train.svm]", "data.test.files=[link.svm]"}, dry);
      SCOPED_TRACE(both.err);
      EXPECT_EQ(both.exit_code, 0);
      const std::string valid = "warning: data.valid.files: ./train.svm is among data.train.files, too: ";
      const std::string test = "warning: data.test.files: link.svm is among data.train.files, too: ";
      EXPECT_THAT(both.err, AllOf(HasSubstr(valid), HasSubstr(test)));
      if (dry.empty()) {
        EXPECT_THAT(both.out, AllOf(HasSubstr(valid), HasSubstr(test))) << "beside the metrics, too";
      }
      const Finished chosen = TrainAll({model, "data.valid.files=[other.svm]", "data.test.files=[other.svm]"}, dry);
      EXPECT_THAT(chosen.err, AllOf(HasSubstr("data.test.files: other.svm is among data.valid.files, too"), Not(HasSubstr("data.train.files"))));
      const Finished none = TrainAll({model, "data.test.files=[other.svm]"}, dry);
      EXPECT_THAT(none.err, Not(HasSubstr("is among")));
    }
  }
}

// What would be refused when the race is over, and its model lost, is refused at once.
TEST_F(DoubtfulDataTest, ATunedJobDoesNotLearnAFileTwice) {
  const std::vector<std::string> tuned = {"model={type: lr, tune: auto}", "train.passes=2", "data.valid.files=[./train.svm]"};
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--dry_run"}, {}}) {
    const Finished run = TrainAll(tuned, more);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, AllOf(HasSubstr("./train.svm is among data.train.files, too"), HasSubstr("model.tune_all_rows: false"), Not(HasSubstr("tune, "))));
  }
  std::vector<std::string> chosen_only = tuned;
  chosen_only.push_back("model.tune_all_rows=false");
  const Finished run = TrainAll(chosen_only);
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(DoubtfulDataTest, ADryRunSeesThatThereIsOneLabel) {
  std::string ones;
  for (int i = 0; i < 3000; ++i) absl::StrAppend(&ones, "1 ", 1 + i % 7, ":1\n");
  WriteText(place_ / "ones.svm", ones);
  std::string large = ones;
  while (large.size() < (30u << 20)) large += large;
  WriteText(place_ / "large.svm", large);
  for (const std::string model : {kLinear, kTrees}) {
    const Finished all = TrainAll({model, "data.train.files=[ones.svm]"}, {"--dry_run"});
    EXPECT_EQ(all.exit_code, 0);
    EXPECT_THAT(all.out, HasSubstr("warning: all rows of data.train have the same label"));
    EXPECT_THAT(TrainAll({model, "data.train.files=[large.svm]"}, {"--dry_run"}).out,
                HasSubstr("warning: all rows of data.train that were looked at have the same label"));
    EXPECT_THAT(TrainAll({model}, {"--dry_run"}).out, Not(HasSubstr("warning")));
  }
}

// A sample of large files has little of their front, where training would end.
TEST_F(DoubtfulDataTest, ADryRunLooksAtTheFrontOfLargeFiles) {
  const std::string rows = Rows();
  std::string large;
  while (large.size() < (30u << 20)) large += rows;
  std::string few, many;
  for (int i = 0; i < 3; ++i) few += "1 3:what\n";
  for (int i = 0; i < 30; ++i) many += "1 3:what\n";
  WriteText(place_ / "few.svm", few + large);
  WriteText(place_ / "many.svm", many + FirstLines(rows, 1200) + many + large);  // .075 % of all
  const std::string third = "many.svm:3: column 5: expected a number, found 'what': '1 3:what'\n";
  for (const std::string model : {kLinear, kTrees}) {
    const Finished allowed = TrainAll({model, "data.train.files=[few.svm]"}, {"--dry_run"});
    EXPECT_EQ(allowed.exit_code, 0);
    EXPECT_THAT(allowed.out, AllOf(HasSubstr("malformed: 3 of the "), HasSubstr("rows at the front. The first of them:\n"),
                                   HasSubstr("few.svm:3: column 5"), Not(HasSubstr("With as many"))));
    const Finished dry = TrainAll({model, "data.train.files=[many.svm]"}, {"--dry_run"});
    const Finished job = TrainAll({model, "data.train.files=[many.svm]"});
    SCOPED_TRACE(dry.err + job.err);
    EXPECT_EQ(dry.exit_code, 3);
    EXPECT_EQ(job.exit_code, 3);
    const std::size_t at = job.err.rfind("ps_train: ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_THAT(dry.err, AllOf(HasSubstr(job.err.substr(at)), HasSubstr(" rows so far are malformed"), HasSubstr(third)));
    // A cluster judges chunks as they come: more good rows may come first.
    const Finished cluster = TrainAll({model, "data.train.files=[many.svm]"}, {"--dry_run", "--local", "1x2"});
    EXPECT_EQ(cluster.exit_code, 0) << cluster.err;
    EXPECT_THAT(cluster.out, AllOf(HasSubstr("malformed: 60 of the "), HasSubstr(third), HasSubstr("With as many among all rows the job ends with exit code 3")));
  }
}

TEST_F(DoubtfulDataTest, RowsAllOverTheDataAreCounted) {
  const std::string rows = Rows();
  std::string spread;
  while (spread.size() < (30u << 20)) spread += FirstLines(rows, 300) + "1 3:what\n";  // .3 %
  WriteText(place_ / "spread.svm", spread);
  const Finished allowed = TrainAll({kLinear, "data.train.files=[spread.svm]", "data.max_bad_rows=0.01"}, {"--dry_run"});
  EXPECT_EQ(allowed.exit_code, 0) << allowed.err;
  EXPECT_THAT(allowed.out, AllOf(HasSubstr("rows that were looked at all over the data"), HasSubstr("spread.svm:301: "), Not(HasSubstr("With as many"))));
  const Finished above = TrainAll({kLinear, "data.train.files=[spread.svm]", "data.max_bad_rows=0.0025"}, {"--dry_run"});
  EXPECT_EQ(above.exit_code, 0) << "the rest may be better";
  EXPECT_THAT(above.out, AllOf(HasSubstr("all over the data. The first of them:\n  spread.svm:301: "),
                               HasSubstr("With as many among all rows the job ends with exit code 3: data.max_bad_rows allows 0.25 %\n")));
}

TEST_F(DoubtfulDataTest, AHeaderThatIsForgottenOrNotThereIsHintedAt) {
  std::string numbers, texts, indexed, indexed_texts;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(&numbers, i % 2, ",", i * 7 % 100, ",x", i % 3, "\n");
    absl::StrAppend(&texts, i % 3 == 0 ? "yes" : "no", ",x", i % 3, "\n");
    absl::StrAppend(&indexed, i, ",", i * 7 % 100, ",", i % 2, "\n");
    absl::StrAppend(&indexed_texts, i == 0 ? "" : absl::StrCat(i - 1), ",x", i % 5, ",", i % 3 == 0 ? "yes" : "no", "\n");
  }
  WriteText(place_ / "named.csv", "label,age,kind\n" + numbers);
  WriteText(place_ / "plain.csv", numbers);
  WriteText(place_ / "named_texts.csv", "bought,kind\n" + texts);
  WriteText(place_ / "plain_texts.csv", texts);
  WriteText(place_ / "indexed.csv", ",age,label\n" + indexed);  // as pandas writes it
  WriteText(place_ / "indexed_texts.csv", indexed_texts);        // a row whose number is missing
  WriteText(place_ / "numbered.csv", "0,1,2\n" + numbers);  // as some tools name columns
  WriteText(place_ / "job.yaml", "data: {train: {files: [x]}, format: csv}\n");
  const std::string forgotten = "csv:1: the first line looks like names of columns ('", wrong = "csv:1: the first line looks like a row ('1', '7', 'x1')";
  const std::string yes = "data.label.positive=yes";
  struct Case {
    std::vector<std::string> settings;
    std::string hint;
  };
  const std::vector<Case> cases = {{{"data.train.files=[named.csv]"}, forgotten + "label', 'age', 'kind')"},
                                   {{"data.train.files=[named.csv]", "data.header=true"}, ""},
                                   {{"data.train.files=[plain.csv]"}, ""},
                                   {{"data.train.files=[numbered.csv]", "data.header=true"}, ""},
                                   {{"data.train.files=[named_texts.csv]", yes}, forgotten + "bought', 'kind')"},
                                   {{"data.train.files=[named_texts.csv]", yes, "data.header=true"}, ""},
                                   {{"data.train.files=[plain_texts.csv]", yes}, ""},
                                   {{"data.train.files=[indexed.csv]", "data.label.column=2"}, forgotten + "', 'age', 'label')"},
                                   {{"data.train.files=[indexed_texts.csv]", "data.label.column=2", yes}, ""}};
  for (const std::string model : {kLinear, kTrees}) {
    for (Case one : cases) {
      one.settings.push_back(model);
      for (const std::vector<std::string>& dry : {std::vector<std::string>{"--dry_run"}, {}}) {
        const Finished run = TrainAll(one.settings, dry);
        SCOPED_TRACE(absl::StrJoin(one.settings, " ") + run.err);
        EXPECT_EQ(run.exit_code, 0);
        if (one.hint.empty()) {
          EXPECT_THAT(run.err, Not(HasSubstr("looks like")));
        } else {
          EXPECT_THAT(run.err, AllOf(HasSubstr("warning: "), HasSubstr(one.hint), HasSubstr("set data.header: true")));
        }
      }
    }
  }
  WriteText(place_ / "lost.csv", numbers.substr(numbers.find('\n') + 1));  // begins with 1,7,x1
  const Finished lost = TrainAll({"data.train.files=[lost.csv]", "data.header=true"}, {"--dry_run"});
  EXPECT_THAT(lost.err, AllOf(HasSubstr(wrong), HasSubstr("set data.header: false")));
  // Where it is an error already, the same is what to do.
  const Finished by_name = TrainAll({"data.train.files=[named.csv]", "data.label.column=label"});
  EXPECT_EQ(by_name.exit_code, 2);
  EXPECT_THAT(by_name.err, HasSubstr("\"label\" is a name, but the files have no header: set data.header or data.columns"));
  const Finished by_other_name = TrainAll({"data.train.files=[lost.csv]", "data.header=true", "data.label.column=label"});
  EXPECT_EQ(by_other_name.exit_code, 3);
  EXPECT_THAT(by_other_name.err, HasSubstr("no column \"label\"; the columns are 1, 7, x1. Names are those of the first line; if the files have no header, set data.header: false"));
  WriteText(place_ / "twice.csv", "1,1,x1\n" + numbers);
  EXPECT_THAT(TrainAll({"data.train.files=[twice.csv]", "data.header=true"}).err, HasSubstr("if the files have no header, set data.header: false"));
}

// Nothing may come into a model's directory that would keep the next version out.
TEST_F(DoubtfulDataTest, NoModelIsWrittenIntoAnother) {
  ASSERT_EQ(TrainAll({"output.dir=out/a"}).exit_code, 0);
  std::filesystem::create_directory_symlink("out", place_ / "link");
  for (const std::string dir : {"out/a/b", "./out/a/deep/er", "link/a/b"}) {
    for (const std::vector<std::string>& more : {std::vector<std::string>{"--dry_run"}, {}, {"--local", "1x1"}}) {
      const Finished run = TrainAll({"output.dir=" + dir}, more);
      SCOPED_TRACE(dir + run.err);
      EXPECT_EQ(run.exit_code, 2);
      EXPECT_THAT(run.err, AllOf(HasSubstr(dir + " lies in the model bundle "), Not(HasSubstr(" loss"))));
    }
  }
  EXPECT_EQ(TrainAll({"output.dir=out/a"}).exit_code, 0) << "it can be replaced as before";
  WriteText(place_ / "manifest.json", "{\"name\": \"some web page\"}");
  EXPECT_EQ(TrainAll({"output.dir=out/c"}).exit_code, 0);
}

}  // namespace
}  // namespace ps
