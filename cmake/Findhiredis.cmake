# Finds hiredis and defines the imported target hiredis::hiredis.
#
# A package whose own CMake configuration defines that target (hiredis 1.0 and later, vcpkg, Conan) is
# taken as it is. Debian's libhiredis-dev 0.14 has a configuration that defines none; it is found by
# its header, which also says the version, and its library.
# hiredis_ROOT or hiredis_INCLUDE_DIR and hiredis_LIBRARY point at a hiredis of your own.
if(TARGET hiredis::hiredis)
  set(hiredis_FOUND TRUE)
  return()
endif()

if(NOT hiredis_INCLUDE_DIR)
  find_package(hiredis CONFIG QUIET)
  if(TARGET hiredis::hiredis)
    set(hiredis_FOUND TRUE)
    return()
  endif()
endif()

find_path(hiredis_INCLUDE_DIR NAMES hiredis/hiredis.h)
find_library(hiredis_LIBRARY NAMES hiredis)
mark_as_advanced(hiredis_INCLUDE_DIR hiredis_LIBRARY)

if(hiredis_INCLUDE_DIR)
  set(hiredis_VERSION "")
  foreach(hiredis_part IN ITEMS MAJOR MINOR PATCH)
    file(STRINGS "${hiredis_INCLUDE_DIR}/hiredis/hiredis.h" hiredis_version_line
         REGEX "#define HIREDIS_${hiredis_part} [0-9]+")
    string(REGEX REPLACE ".*HIREDIS_${hiredis_part} ([0-9]+).*" "\\1" hiredis_version_line
                         "${hiredis_version_line}")
    list(APPEND hiredis_VERSION "${hiredis_version_line}")
  endforeach()
  list(JOIN hiredis_VERSION "." hiredis_VERSION)
  unset(hiredis_part)
  unset(hiredis_version_line)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  hiredis
  REQUIRED_VARS hiredis_LIBRARY hiredis_INCLUDE_DIR
  VERSION_VAR hiredis_VERSION)

if(hiredis_FOUND)
  add_library(hiredis::hiredis UNKNOWN IMPORTED)
  set_target_properties(
    hiredis::hiredis PROPERTIES IMPORTED_LOCATION "${hiredis_LIBRARY}"
                                INTERFACE_INCLUDE_DIRECTORIES "${hiredis_INCLUDE_DIR}")
endif()
