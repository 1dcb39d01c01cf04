# Flags, and the few functions that the folders' CMakeLists are made of.

add_library(minos_flags INTERFACE)
target_include_directories(minos_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_definitions(minos_flags INTERFACE _GNU_SOURCE)
target_compile_options(
  minos_flags
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wvla
            # common/nn/vec.h passes vectors between inline functions alone
            -Wno-psabi
            $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
            $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
            $<$<BOOL:${MINOS_WERROR}>:-Werror>)
# -ffp-contract=off would cost the FMA units; results are fixed per machine and build.
if(MINOS_NATIVE)
  target_compile_options(minos_flags INTERFACE -march=native)
endif()
if(MINOS_SANITIZE)
  target_compile_options(minos_flags INTERFACE -fsanitize=${MINOS_SANITIZE}
                                               -fno-omit-frame-pointer)
  target_link_options(minos_flags INTERFACE -fsanitize=${MINOS_SANITIZE})
  if(MINOS_SANITIZE MATCHES "undefined") # would else print and go on
    target_compile_options(minos_flags INTERFACE -fno-sanitize-recover=all)
  endif()
endif()

# minos_library(NAME sources...): a folder's library. Add links with target_link_libraries.
function(minos_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC minos_flags)
  if(NOT name STREQUAL "nn" AND NOT name STREQUAL "codec")
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:-Wconversion>)
  endif()
endfunction()

# minos_program(NAME sources... ) into build/bin, installed.
function(minos_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE minos_flags)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# minos_test(KIND NAME libs...): tests/KIND/NAME.c, one program, one ctest, label KIND.
# Programs of the process kind find the binaries through MINOS_BIN and run alone; those of
# the bench kind are only built.
function(minos_test kind name)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/${kind}/${name}.c)
  target_link_libraries(${name} PRIVATE minos_flags PkgConfig::CMOCKA ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           ${CMAKE_BINARY_DIR}/tests)
  if(kind STREQUAL "bench")
    return() # figures, for people to run
  endif()
  add_test(NAME ${kind}.${name} COMMAND ${name})
  # Only what hangs is ended: also a slow machine that stands still now and then is in time.
  set(timeout 300)
  set(environment "MINOS_BIN=${CMAKE_BINARY_DIR}/bin" "MINOS_SOURCE=${CMAKE_SOURCE_DIR}")
  if(kind STREQUAL "process")
    set(timeout 1200)
    # mpirun refuses root unless told; a container's root has nobody else to be.
    list(APPEND environment OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
    set_tests_properties(${kind}.${name} PROPERTIES RUN_SERIAL ON)
  endif()
  if(MINOS_SANITIZE) # about as much slower
    math(EXPR timeout "${timeout} * 2")
  endif()
  set_tests_properties(${kind}.${name} PROPERTIES LABELS ${kind} TIMEOUT ${timeout}
                                                  ENVIRONMENT "${environment}")
endfunction()
