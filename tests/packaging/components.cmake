# Prints what cmake/headgateComponents.cmake says, a line a component: name|needs|package.
include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/headgateComponents.cmake")
_headgate_components(known)
foreach(name IN LISTS known)
  _headgate_component(${name})
  message(STATUS "${name}|${needs}|${package}")
endforeach()
