#include "ps/base/program_flags.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "ps/base/version.h"

DECLARE_bool(help);
DECLARE_bool(version);

namespace google {
extern void (*gflags_exitfunc)(int);  // exported for this purpose, but in no header
}

namespace ps {
namespace {

// Flags of libraries, of which gflags knows, too, are none of the user's business.
void PrintFlagsOf(const char* file) {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (flag.filename != file) continue;
    std::printf("  --%s  %s (%s%s%s)\n", flag.name.c_str(), flag.description.c_str(), flag.type.c_str(),
                flag.default_value.empty() ? "" : "; default ", flag.default_value.c_str());
  }
}

}  // namespace

void ParseProgramFlags(const char* name, const char* usage, const char* file, int* argc, char*** argv) {
  google::gflags_exitfunc = [](int) { std::exit(kWrongFlagsExit); };
  gflags::ParseCommandLineNonHelpFlags(argc, argv, true);
  if (FLAGS_help) {
    if (file == nullptr) {
      std::fputs(usage, stdout);
    } else {
      std::printf("usage: %s [FLAGS]: %s\n", name, usage);
      PrintFlagsOf(file);
    }
    std::exit(0);
  }
  if (FLAGS_version) {
    std::printf("%s version %s\n", name, kVersion);
    std::exit(0);
  }
}

}  // namespace ps
