// A Trainer of tuned jobs, whose race can be looked at.
#pragma once

#include "trainer/trainer.h"
#include "trainer/tuning/tuning_trace.h"

namespace ps {

class RaceTrainer : public Trainer {
 public:
  // After Train of a tuned job.
  virtual const TuningTrace& trace() const = 0;
};

}  // namespace ps
