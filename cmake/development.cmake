# Settings of headgate's own tests and examples; nothing here reaches a consumer.
add_library(headgate_development INTERFACE)
target_compile_options(
  headgate_development INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                 $<$<BOOL:${HEADGATE_WERROR}>:-Werror>)

if(HEADGATE_ASIO STREQUAL "boost")
  # The same tests and examples with Boost.Asio: where they include a header of Asio they get one
  # that stands in for it and makes `asio` another name of boost::asio. Only for headers that they
  # do include, so that another is a matter of configuring again, which happens by itself.
  set(stand_ins "${CMAKE_CURRENT_BINARY_DIR}/boost_as_asio")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS tests/*.[ch]pp examples/*.[ch]pp docs/*.md README.md)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
  foreach(source IN LISTS sources)
    file(STRINGS "${source}" lines REGEX "^#include <asio/.*>")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^#include <(asio/[^>]*)>.*" "\\1" header "${line}")
      list(APPEND headers "${header}")
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES headers)
  foreach(header IN LISTS headers)
    file(CONFIGURE OUTPUT "${stand_ins}/${header}"
         CONTENT "#pragma once\n#include <boost/${header}>\nnamespace asio = boost::asio;\n")
  endforeach()
  target_include_directories(headgate_development INTERFACE "${stand_ins}")
endif()
