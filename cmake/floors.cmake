# The floors of ARCHITECTURE.md as targets: a dependency that points upwards, or sideways on floor 2,
# stops the configuration, so a wrong include does not link.
#
#   ps_library(NAME floor N SRCS a.cc ... DEPS x y ... [PROTOS p.proto])
#   ps_binary(NAME SRCS ... DEPS ...)      a floor-3 program in build/bin
#   ps_test(NAME SRCS ... DEPS ... [TIMEOUT seconds] [SHARDS n] [ARGS ...])
#   ps_benchmark(NAME SRCS ... DEPS ...)

function(ps_check_floor name floor)
  foreach(dep ${ARGN})
    get_property(dep_floor GLOBAL PROPERTY ps_floor_${dep})
    if(dep_floor STREQUAL "")
      continue()  # a system library
    endif()
    if(dep_floor GREATER floor)
      message(FATAL_ERROR "${name} (floor ${floor}) must not depend on ${dep} (floor ${dep_floor})")
    endif()
    if(floor EQUAL 2 AND dep_floor EQUAL 2)
      message(FATAL_ERROR "${name} must not depend on ${dep}: the parts of floor 2 never include each other")
    endif()
  endforeach()
endfunction()

# The headers of libraries that nearly every file reads, precompiled: once for what is linked into programs, once
# for tests. Files still include what they use; -DPS_PRECOMPILED_HEADERS=OFF shows who does not.
option(PS_PRECOMPILED_HEADERS "Precompile the headers of libraries" ON)
set(ps_program_headers
    <algorithm> <atomic> <chrono> <cmath> <cstdint> <cstring> <deque> <filesystem> <functional> <map> <memory> <mutex>
    <optional> <random> <set> <string> <string_view> <thread> <utility> <vector>
    <absl/container/flat_hash_map.h> <absl/container/inlined_vector.h> <absl/status/statusor.h>
    <absl/strings/str_cat.h> <absl/strings/str_format.h> <absl/strings/str_split.h> <absl/types/span.h>
    <glog/logging.h> <google/protobuf/message.h> <google/protobuf/repeated_field.h>)
function(ps_precompile kind)
  if(NOT PS_PRECOMPILED_HEADERS)
    return()
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled/${kind}.cc CONTENT "")
  add_library(ps_precompiled_${kind} OBJECT ${CMAKE_BINARY_DIR}/precompiled/${kind}.cc)
  target_precompile_headers(ps_precompiled_${kind} PRIVATE ${ARGN})
  target_link_libraries(ps_precompiled_${kind} PRIVATE glog::glog protobuf::libprotobuf
                        $<$<STREQUAL:${kind},test>:GTest::gmock>)
endfunction()
ps_precompile(program ${ps_program_headers})
ps_precompile(test ${ps_program_headers} <gtest/gtest.h> <gmock/gmock.h>)
if(TARGET ps_precompiled_test)
  target_compile_options(ps_precompiled_test PRIVATE ${PS_TEST_OPTIONS})
endif()
# What compiles a file of tests, or in their place.
function(ps_compile_as_test name)
  target_compile_options(${name} PRIVATE ${PS_TEST_OPTIONS})
  ps_use_precompiled(${name} test)
endfunction()
function(ps_use_precompiled name kind)
  if(PS_PRECOMPILED_HEADERS)
    target_precompile_headers(${name} REUSE_FROM ps_precompiled_${kind})
    # What glog's headers were compiled with: a target without them could not use the precompiled ones.
    target_compile_definitions(${name} PRIVATE $<TARGET_PROPERTY:gflags,INTERFACE_COMPILE_DEFINITIONS>
                                               $<TARGET_PROPERTY:glog::glog,INTERFACE_COMPILE_DEFINITIONS>)
  endif()
endfunction()

function(ps_library name)
  cmake_parse_arguments(A "" "floor" "SRCS;DEPS;PROTOS" ${ARGN})
  set_property(GLOBAL PROPERTY ps_floor_${name} ${A_floor})
  ps_check_floor(${name} ${A_floor} ${A_DEPS})
  foreach(proto ${A_PROTOS})
    get_filename_component(stem ${proto} NAME_WE)
    file(RELATIVE_PATH directory ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    set(generated ${CMAKE_BINARY_DIR}/generated/${directory}/${stem}.pb)
    add_custom_command(
      OUTPUT ${generated}.cc ${generated}.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated
      COMMAND protobuf::protoc --cpp_out=${CMAKE_BINARY_DIR}/generated -I ${CMAKE_SOURCE_DIR}
              ${directory}/${proto}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto})
    list(APPEND A_SRCS ${generated}.cc)
  endforeach()
  add_library(${name} STATIC ${A_SRCS})
  # A third of the time of one file after the other. Files whose names clash have SKIP_UNITY_BUILD_INCLUSION.
  if(PS_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    target_compile_options(${name} PRIVATE -Wno-subobject-linkage)  # there is no header but this one file
  endif()
  target_include_directories(${name} PUBLIC ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${name} PUBLIC ${A_DEPS})
  if(A_floor GREATER 0)  # kernels use no library, and lack the definitions of those that do
    ps_use_precompiled(${name} program)
  endif()
endfunction()

function(ps_binary name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  ps_use_precompiled(${name} program)
endfunction()

# With SHARDS, NAME.1, NAME.2, ... each run some of its tests: what waits much of its time is not the last one to end.
function(ps_add_test name)
  cmake_parse_arguments(A "" "TIMEOUT;SHARDS" "COMMAND" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  set(environment "PS_BIN_DIR=${CMAKE_BINARY_DIR}/bin;PS_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
  if(PS_SANITIZE)
    math(EXPR A_TIMEOUT "${A_TIMEOUT} * 3")
    list(APPEND environment "PS_SANITIZED=1")
  endif()
  if(NOT A_SHARDS)
    set(A_SHARDS 1)
  endif()
  math(EXPR cost "${A_TIMEOUT} / ${A_SHARDS}")  # the longest first: none is left alone at the end
  foreach(shard RANGE 1 ${A_SHARDS})
    set(shard_name ${name})
    set(shard_environment ${environment})
    if(A_SHARDS GREATER 1)
      set(shard_name ${name}.${shard})
      math(EXPR index "${shard} - 1")
      list(APPEND shard_environment "GTEST_TOTAL_SHARDS=${A_SHARDS}" "GTEST_SHARD_INDEX=${index}")
    endif()
    add_test(NAME ${shard_name} COMMAND ${A_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${shard_name} PROPERTIES
      TIMEOUT ${A_TIMEOUT} COST ${cost} ENVIRONMENT "${shard_environment}")
  endforeach()
endfunction()

function(ps_test name)
  cmake_parse_arguments(A "" "TIMEOUT;SHARDS" "SRCS;DEPS;ARGS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS} glog::glog GTest::gmock GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  ps_compile_as_test(${name})
  ps_add_test(${name} COMMAND ${name} ${A_ARGS} TIMEOUT ${A_TIMEOUT} SHARDS ${A_SHARDS})
endfunction()

# A test that runs the programs and nothing else of ours: where these have sanitizers (PS_PROGRAM_TESTS is a folder then),
# the test itself need not, and is the one of the release build, whose target program_tests has all of them.
function(ps_program_test name)
  cmake_parse_arguments(A "" "TIMEOUT;SHARDS" "SRCS;DEPS;PROGRAMS" ${ARGN})
  if(PS_PROGRAM_TESTS)
    ps_add_test(${name} COMMAND ${PS_PROGRAM_TESTS}/${name} TIMEOUT ${A_TIMEOUT} SHARDS ${A_SHARDS})
    return()
  endif()
  ps_test(${name} SRCS ${A_SRCS} DEPS ${A_DEPS} TIMEOUT ${A_TIMEOUT} SHARDS ${A_SHARDS})
  add_dependencies(${name} ${A_PROGRAMS})
  if(NOT TARGET program_tests)
    add_custom_target(program_tests)
  endif()
  add_dependencies(program_tests ${name})
endfunction()

function(ps_benchmark name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS} benchmark::benchmark)
endfunction()
