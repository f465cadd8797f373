# The components of headgate, what each stands on, and how that is found. The build of headgate
# reads this, and so does headgateConfig.cmake, beside which it is installed, so that both look for
# the same.
#
# Everything is in functions, so that no variable of the caller changes, CMAKE_MODULE_PATH included.

# _headgate_components(<result>): all there are, each behind those that it stands on.
function(_headgate_components result)
  set(${result} flow http extract simdjson sqlite redis testing simulation PARENT_SCOPE)
endfunction()

# _headgate_component(<name>): sets `needs`, the components that this one stands on, and `package`:
# the name of the package that it takes, the least version, the target, and the pkg-config module
# (neither Asio nor Boost has one in Debian). HEADGATE_ASIO says which Asio: the option, or in an
# installation what it was when that was configured.
function(_headgate_component name)
  set(flow_package asio 1.22.1 asio::asio "")
  if(HEADGATE_ASIO STREQUAL "boost")
    set(flow_package Boost 1.81 Boost::headers "")
  endif()
  set(http_needs flow)
  set(http_package CURL 7.85 CURL::libcurl libcurl)
  set(extract_needs http)
  set(extract_package nlohmann_json 3.9 nlohmann_json::nlohmann_json nlohmann_json)
  set(simdjson_needs extract)
  set(simdjson_package simdjson 3 simdjson::simdjson simdjson)
  set(sqlite_needs extract)
  set(sqlite_package SQLite3 3.35 SQLite::SQLite3 sqlite3)
  set(redis_needs extract)
  set(redis_package hiredis 0.14 hiredis::hiredis hiredis)
  set(testing_needs flow)
  set(simulation_needs http testing)
  set(needs "${${name}_needs}" PARENT_SCOPE)
  set(package "${${name}_package}" PARENT_SCOPE)
endfunction()

# _headgate_close(<result> <name>...): these components and all that they stand on, lowest first.
function(_headgate_close result)
  _headgate_components(known)
  set(wanted ${ARGN})
  # From the top down, so that what a component needs is wanted before its turn comes.
  list(REVERSE known)
  set(closed "")
  foreach(name IN LISTS known)
    if(name IN_LIST wanted)
      list(PREPEND closed ${name})
      _headgate_component(${name})
      list(APPEND wanted ${needs})
    endif()
  endforeach()
  set(${result} "${closed}" PARENT_SCOPE)
endfunction()

# _headgate_find(<result> <name> [QUIET]): looks for the package of this one component. A target
# that is there already is taken as it is. The result is empty, or says what is missing.
function(_headgate_find result name)
  set(${result} "" PARENT_SCOPE)
  _headgate_component(${name})
  if(NOT package)
    return()
  endif()
  list(GET package 0 file)
  list(GET package 1 version)
  list(GET package 2 target)
  if(target STREQUAL "Boost::headers")
    find_package(Threads ${ARGN}) # asio::asio has them itself
    if(NOT TARGET Threads::Threads)
      set(${result} "threads" PARENT_SCOPE)
      return()
    endif()
  endif()
  if(TARGET ${target})
    return()
  endif()
  # Behind what the caller has, whose own modules go first.
  list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")
  find_package(${file} ${version} ${ARGN})
  if(NOT TARGET ${target})
    set(${result} "${file} ${version} or later" PARENT_SCOPE)
  endif()
endfunction()
