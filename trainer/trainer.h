// What ps_train drives: one way of running a job.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "trainer/job_result.h"

namespace ps {

class Trainer {
 public:
  virtual ~Trainer() = default;

  // What Train would refuse before it reads rows, as that would say it: a device that is not there, a model to start
  // from or a checkpoint to go on from that does not fit. Nothing is changed. Instead of Train.
  virtual absl::Status Check() = 0;

  // Called once. OutOfRange: diverged. InvalidArgument, DataLoss, NotFound: the data. ResourceExhausted: disk
  // or memory. Unavailable: a node was away too long.
  virtual absl::StatusOr<JobResult> Train() = 0;

  // After Train: appends the weights and fills in what the trainer knows of the bundle.
  virtual absl::Status Export(BundleWriter* writer, BundleInfo* info) = 0;

  // The bundle of a job that was not interrupted is in its place: what was kept to go on from may go.
  virtual absl::Status AfterExport() { return absl::OkStatus(); }
};

}  // namespace ps
