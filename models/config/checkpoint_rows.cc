// The settings of checkpoints, apart from the others for their number.
#include "models/config/schema.h"

namespace ps {

std::vector<SchemaRow> CheckpointRows() {
  return {
      {"checkpoint.dir", ValueType::kText, "''",
       "Where checkpoints of a cluster, and of trees in one process too, are written: a directory that all its "
       "processes see, or s3://BUCKET/PREFIX. Empty: none are.",
       [](JobConfig* c, const Value& v) { c->checkpoint.dir = v.text; }},
      {"checkpoint.every", ValueType::kReal, "60",
       "Seconds from the end of one checkpoint to the begin of the next.",
       [](JobConfig* c, const Value& v) { c->checkpoint.every = v.real; }, Between(0.05, 1e7)},
      {"checkpoint.full_every", ValueType::kInteger, "10",
       "Every so many checkpoints one has all slots; the others have those that have changed.",
       [](JobConfig* c, const Value& v) { c->checkpoint.full_every = static_cast<int>(v.integer); },
       Between(1, 1e6)},
      {"checkpoint.keep", ValueType::kInteger, "2", "How many checkpoints are kept.",
       [](JobConfig* c, const Value& v) { c->checkpoint.keep = static_cast<int>(v.integer); },
       Between(2, 1e6)},
      {"checkpoint.resume",
       ValueType::kWord,
       "auto",
       "auto goes on from the newest checkpoint of a run that did not finish; never begins anew.",
       [](JobConfig* c, const Value& v) { c->checkpoint.resume = v.integer != 0; },
       {},
       {{"auto", 1}, {"never", 0}}},
      {"checkpoint.endpoint", ValueType::kText, "''",
       "S3: http[s]://HOST[:PORT] of the storage; empty: AWS_ENDPOINT_URL, as for other tools, "
       "which also name the credentials.",
       [](JobConfig* c, const Value& v) { c->checkpoint.endpoint = v.text; }},
  };
}

}  // namespace ps
