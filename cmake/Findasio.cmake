# Finds standalone Asio and defines the imported target asio::asio.
#
# A package that ships its own CMake configuration (vcpkg, Conan) is taken as it is; a plain header
# installation (Debian's libasio-dev) is found by its header and its version read from it.
# asio_ROOT or asio_INCLUDE_DIR point at an Asio of your own.
if(TARGET asio::asio)
  set(asio_FOUND TRUE)
  return()
endif()

if(NOT asio_INCLUDE_DIR)
  find_package(asio CONFIG QUIET)
  if(TARGET asio::asio)
    set(asio_FOUND TRUE)
    return()
  endif()
endif()

find_path(asio_INCLUDE_DIR NAMES asio/version.hpp)
mark_as_advanced(asio_INCLUDE_DIR)

if(asio_INCLUDE_DIR)
  file(STRINGS "${asio_INCLUDE_DIR}/asio/version.hpp" asio_version_line
       REGEX "#define ASIO_VERSION [0-9]+")
  string(REGEX REPLACE ".*ASIO_VERSION ([0-9]+).*" "\\1" asio_version_number "${asio_version_line}")
  math(EXPR asio_version_major "${asio_version_number} / 100000")
  math(EXPR asio_version_minor "${asio_version_number} / 100 % 1000")
  math(EXPR asio_version_patch "${asio_version_number} % 100")
  set(asio_VERSION "${asio_version_major}.${asio_version_minor}.${asio_version_patch}")
  unset(asio_version_line)
  unset(asio_version_number)
  unset(asio_version_major)
  unset(asio_version_minor)
  unset(asio_version_patch)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(asio REQUIRED_VARS asio_INCLUDE_DIR VERSION_VAR asio_VERSION)

if(asio_FOUND)
  find_package(Threads REQUIRED)
  add_library(asio::asio INTERFACE IMPORTED)
  target_include_directories(asio::asio INTERFACE "${asio_INCLUDE_DIR}")
  target_compile_definitions(asio::asio INTERFACE ASIO_STANDALONE)
  target_link_libraries(asio::asio INTERFACE Threads::Threads)
endif()
