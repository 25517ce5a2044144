# The floors of ARCHITECTURE.md as targets: a dependency that points upwards, or sideways on floor 2,
# stops the configuration, so a wrong include does not link.
#
#   ps_library(NAME floor N SRCS a.cc ... DEPS x y ... [PROTOS p.proto])
#   ps_binary(NAME SRCS ... DEPS ...)      a floor-3 program in build/bin
#   ps_test(NAME SRCS ... DEPS ... [TIMEOUT seconds] [ARGS ...])
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
  target_include_directories(${name} PUBLIC ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${name} PUBLIC ${A_DEPS})
endfunction()

function(ps_binary name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS})
endfunction()

function(ps_test name)
  cmake_parse_arguments(A "" "TIMEOUT" "SRCS;DEPS;ARGS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT}
    ENVIRONMENT "PS_BIN_DIR=${CMAKE_BINARY_DIR}/bin;PS_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

function(ps_benchmark name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS} benchmark::benchmark)
endfunction()
