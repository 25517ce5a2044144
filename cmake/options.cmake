# Compiler flags, the same for every target.
#
# PS_MARCH is the oldest processor the binaries run on. Faster kernels (AVX-512) are compiled apart
# and chosen at run time, so the baseline only has to cover what is used everywhere (AVX2, BMI2, CRC32).
set(PS_MARCH "x86-64-v3" CACHE STRING "Value of -march for all code but the dispatched kernels")
set(PS_SANITIZE "" CACHE STRING "Value of -fsanitize=, empty for none")
if(PS_SANITIZE)
  set(PS_UNITY_DEFAULT ON)
else()
  set(PS_UNITY_DEFAULT OFF)
endif()
# Builds from nothing that are seldom done in part (sanitizers, continuous integration): the files of a library six at once.
option(PS_UNITY "Compile several files of a library at once" ${PS_UNITY_DEFAULT})
set(PS_PROGRAM_TESTS "" CACHE STRING "With PS_SANITIZE: the folder of another build's tests, for those that only run programs")

add_compile_options(-march=${PS_MARCH} -Wall -Wextra -Wno-sign-compare -Wno-missing-field-initializers
                    -fno-omit-frame-pointer)
# Sums are the same bytes on every machine: no fused multiply-add unless the code asks for it.
add_compile_options(-ffp-contract=off)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
elseif(PS_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
endif()
if(PS_SANITIZE)
  # What the address sanitizer sees anyway is left to it.
  add_compile_options(-fsanitize=${PS_SANITIZE} -fno-sanitize-recover=all -fno-sanitize=vptr,null,object-size)
  # Indices of vectors, spans of nothing, empty optionals: within an allocation the sanitizers see none of it.
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  add_link_options(-fsanitize=${PS_SANITIZE})
endif()

# The files of tests take most of the time of a build from nothing. They are spared the second level of optimisation and
# the checks of undefined behaviour, which are half of their time, and, where nobody is going to debug, line numbers.
set(PS_TEST_OPTIONS "")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(PS_TEST_OPTIONS -O1)
endif()
if(PS_SANITIZE)
  list(APPEND PS_TEST_OPTIONS -fno-sanitize=undefined)
endif()
if(PS_UNITY)
  list(APPEND PS_TEST_OPTIONS -g0)
endif()

find_program(PS_CCACHE ccache)
if(PS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # It takes what uses precompiled headers for cacheable only when told so.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${PS_CCACHE})
  add_compile_options(-fpch-preprocess)
endif()
include_directories(${CMAKE_SOURCE_DIR})
