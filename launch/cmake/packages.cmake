# Every outside library, found once; each becomes an imported target that exactly one
# folder links (the doors). What is missing is named in one message with the apt line.
find_package(PkgConfig QUIET)
set(minos_missing "")

function(minos_need var package)
  if(NOT ${var})
    set(minos_missing "${minos_missing};${package}" PARENT_SCOPE)
  endif()
endfunction()

macro(minos_pkg target module package)
  if(PkgConfig_FOUND)
    pkg_check_modules(${target} QUIET IMPORTED_TARGET ${module})
  endif()
  minos_need(${target}_FOUND ${package})
endmacro()

minos_need(PkgConfig_FOUND pkg-config)
minos_pkg(ZMQ libzmq libzmq3-dev)
minos_pkg(OPENBLAS openblas libopenblas-pthread-dev)
minos_pkg(LMDB lmdb liblmdb-dev)
minos_pkg(CMOCKA cmocka libcmocka-dev)
minos_pkg(INIH inih libinih-dev)
minos_pkg(CURL libcurl libcurl4-openssl-dev)
minos_pkg(JANSSON jansson libjansson-dev)
minos_pkg(XXHASH libxxhash libxxhash-dev)
minos_pkg(ZSTD libzstd libzstd-dev)
find_package(Threads REQUIRED)
find_package(MPI QUIET COMPONENTS C)
minos_need(MPI_C_FOUND libopenmpi-dev)
find_program(FLATC flatc)
minos_need(FLATC flatbuffers-compiler)
find_path(FLATBUFFERS_INCLUDE flatbuffers/flatbuffers.h)
minos_need(FLATBUFFERS_INCLUDE libflatbuffers-dev)

if(minos_missing)
  list(JOIN minos_missing " " missing)
  message(FATAL_ERROR "minos needs packages that are not installed. Run:\n"
                      "  sudo apt-get install --no-install-recommends${missing}\n"
                      "or install everything: sh launch/setup.sh")
endif()
