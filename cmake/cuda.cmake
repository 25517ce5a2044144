# The CUDA toolkit. PS_CUDA: AUTO uses it where it is found, ON stops without it, OFF leaves it alone.
#
# ps_cuda_kernels(TARGET a.cu ...) compiles kernels for Hopper, with PTX for what comes after it. The compiler is
# called by hand: flags of the other compiler stay away, and configuring does not test it.
set(PS_CUDA AUTO CACHE STRING "Build for NVIDIA GPUs: AUTO, ON or OFF")
set_property(CACHE PS_CUDA PROPERTY STRINGS AUTO ON OFF)
set(PS_HAS_CUDA OFF)
if(PS_CUDA)
  find_program(PS_NVCC nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin)
  if(PS_NVCC)
    file(REAL_PATH ${PS_NVCC} ps_nvcc_file)
    get_filename_component(ps_cuda_root ${ps_nvcc_file}/../.. ABSOLUTE)
    find_path(PS_CUDA_INCLUDE cuda_runtime_api.h HINTS ${ps_cuda_root}/include NO_DEFAULT_PATH)
    find_library(PS_CUDA_RUNTIME cudart_static HINTS ${ps_cuda_root}/lib64 ${ps_cuda_root}/lib NO_DEFAULT_PATH)
  endif()
  if(PS_NVCC AND PS_CUDA_INCLUDE AND PS_CUDA_RUNTIME)
    set(PS_HAS_CUDA ON)
  elseif(PS_CUDA STREQUAL "ON")
    message(FATAL_ERROR "PS_CUDA=ON, but nvcc with its headers and libcudart_static was not found: "
                        "add its directory to PATH, or set PS_CUDA=AUTO")
  endif()
endif()
message(STATUS "CUDA: ${PS_HAS_CUDA}")

function(ps_cuda_kernels target)
  foreach(source ${ARGN})
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${source}.o)
    add_custom_command(
      OUTPUT ${object}
      # Sums and scores are the bits of the processor's: no fused multiply-add unless the code asks for it.
      COMMAND ${PS_NVCC} -std=c++20 -O3 -lineinfo -fmad=false --expt-relaxed-constexpr
              -gencode arch=compute_90,code=sm_90 -gencode arch=compute_90,code=compute_90
              -Xcompiler -fPIE -I ${CMAKE_SOURCE_DIR} -MD -MF ${object}.d -MT ${object}
              -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
      DEPFILE ${object}.d
      COMMENT "Building CUDA object ${source}.o"
      VERBATIM)
    target_sources(${target} PRIVATE ${object})
  endforeach()
endfunction()
