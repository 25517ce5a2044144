#include "trainer/tuning/tuning_trace.h"

#include "absl/strings/str_cat.h"
#include "trainer/progress/json_log.h"

namespace ps {
namespace {

JsonObject& AddSetting(const OptimizerParams& setting, JsonObject* json) {
  // Through the text of the float, so that .13 is not written as .12999999523162842.
  const auto number = [](float value) { return std::stod(absl::StrCat(value)); };
  if (setting.type == Optimizer::kNewtonCg)
    return json->Add("type", "newton_cg").Add("l2", number(setting.l2)).Add("l2_evidence", setting.l2_evidence);
  return json->Add("alpha", number(setting.alpha))
      .Add("beta", number(setting.beta))
      .Add("newton", number(setting.newton))
      .Add("l1", number(setting.l1))
      .Add("l2", number(setting.l2));
}

}  // namespace

std::string TuningTrace::ToJson() const {
  std::vector<JsonObject> lane_rows, decision_rows;
  for (const Lane& lane : lanes) {
    JsonObject json;
    json.Add("lane", lane.number);
    AddSetting(lane.setting, &json);
    if (lane.parent >= 0) json.Add("parent", lane.parent);
    json.Add("born_rows", lane.born_rows).Add("ended_rows", lane.ended_rows).Add("end", lane.end);
    lane_rows.push_back(json);
  }
  for (const Decision& decision : decisions) {
    std::vector<JsonObject> standings;
    for (const Standing& standing : decision.standings) {
      standings.push_back(JsonObject()
                              .Add("lane", standing.lane)
                              .Add("loss", standing.loss)
                              .Add("behind", standing.behind)
                              .Add("error", standing.error));
    }
    decision_rows.push_back(
        JsonObject()
            .Add("rows", decision.rows)
            .Add("pass", decision.pass)
            .Add("judged_on", decision.on_validation ? "validation" : "progressive")
            .Add("standings", standings));
  }
  std::vector<JsonObject> candidate_rows;
  for (const Candidate& one : candidates) {
    candidate_rows.push_back(JsonObject().Add("lane", one.lane).Add("pass", one.pass).Add("loss", one.loss));
  }
  const std::string over_folds =
      folds == 1 ? "" : absl::StrCat(",\n  \"folds\": ", folds, ",\n  \"candidates\": ", JsonLines(candidate_rows));
  return absl::StrCat(
      "{\n  \"format\": \"hyperplane-tuning\",\n  \"version\": 1,\n  \"chosen\": ", chosen, over_folds,
      ",\n  \"lanes\": ", JsonLines(lane_rows), ",\n  \"decisions\": ", JsonLines(decision_rows), "\n}\n");
}

}  // namespace ps
