// The flags of a program: what --help, --version and a wrong flag do is the same for all of them.
#pragma once

namespace ps {

inline constexpr int kWrongFlagsExit = 2;

// Reads the flags and takes them off *argv. Ends the program with 0 after --help and --version, which go to standard
// output, and with kWrongFlagsExit where a flag is unknown or its value is not of its type. `usage`: what --help prints
// of the program `name`. `file`: of a program whose usage does not tell its flags, its __FILE__: those defined there follow.
void ParseProgramFlags(const char* name, const char* usage, const char* file, int* argc, char*** argv);

}  // namespace ps
