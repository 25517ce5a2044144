// The reference page of job files, made from the schema. Pure; any thread.
#pragma once

#include <string>

namespace ps {

std::string JobReference();  // Markdown; committed as docs/job_reference.md

}  // namespace ps
