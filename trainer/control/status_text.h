// A job's status in the forms that people and programs read. Pure; any thread.
#pragma once

#include <string>

#include "trainer/control/status_board.h"

namespace ps {

// One JSON object (RFC 8259); its members are described in docs/operations.md.
std::string StatusJson(const JobStatus& status);

// A page for a terminal: the job, its servers, its workers, the last events. Lines end with \n.
std::string StatusTable(const JobStatus& status);

// The Prometheus text format, version 0.0.4. Reads this process's own figures besides.
std::string JobMetrics(const JobStatus& status);

}  // namespace ps
