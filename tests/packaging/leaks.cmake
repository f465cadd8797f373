# What a project that takes headgate must find as it left it: note_variables() before, and
# check_variables() after. They are macros because they are about the variables of the caller.
macro(note_variables)
  get_cmake_property(noted_names VARIABLES)
  foreach(noted_name IN LISTS noted_names)
    set(noted_value_${noted_name} "${${noted_name}}")
  endforeach()
endmacro()

macro(check_variables)
  foreach(noted_name IN LISTS noted_names)
    if(NOT noted_name MATCHES "^(noted_|CMAKE_CURRENT_LIST_LINE$|CMAKE_MATCH_)"
       AND NOT "${${noted_name}}" STREQUAL "${noted_value_${noted_name}}")
      message(SEND_ERROR "${noted_name} was \"${noted_value_${noted_name}}\" and is now "
                         "\"${${noted_name}}\"")
    endif()
  endforeach()
  get_cmake_property(noted_now VARIABLES)
  list(REMOVE_ITEM noted_now ${noted_names})
  foreach(noted_name IN LISTS noted_now)
    # What a search for a package leaves in the cache is not headgate's to avoid.
    set(noted_search "CURL|asio|[Bb]oost|nlohmann_json|simdjson|SQLite3|hiredis|Threads|THREAD")
    string(APPEND noted_search "|PKG_CONFIG|pkg_config|pkgcfg|^prefix_result$")
    if(NOT noted_name MATCHES "^(noted_|headgate_|HEADGATE_)"
       AND NOT (DEFINED CACHE{${noted_name}}
                AND noted_name MATCHES "${noted_search}"))
      message(SEND_ERROR "There is a new variable ${noted_name}, \"${${noted_name}}\"")
    endif()
  endforeach()
endmacro()
