// What the Kubernetes Job hears whose pod has ended: a pod that ends otherwise than with 0 makes it start another, until it
// is Failed. `job` is its name, empty where this is no pod: then nothing is told. Waits seconds at most; one thread.
#pragma once

#include <string>

#include "trainer/exit_code.h"

namespace ps {

// No other pod need try what cannot succeed, or was stopped by a person: `by_signal` is no person.
void TellJobOfEnd(const std::string& job, int exit_code, bool by_signal);

// Of a job whose model is written, but without test metrics. Of a pod it is 0, as another would train once more, and the
// note, which says so, stands in its termination message.
ExitCode ExitCodeWithoutTest(const std::string& job, const std::string& note);

}  // namespace ps
