# An overlay port of the checkout that it is part of:
#   vcpkg install headgate --overlay-ports=<checkout>/cmake/vcpkg
# In a registry vcpkg_from_github takes the place of the first set().
#
# Not checked by the tests: that vcpkg builds it and finds its asio, curl, nlohmann-json, simdjson,
# sqlite3 and hiredis, for that takes the registry. Checked are the names and versions in vcpkg.json,
# and that this file configures and installs what it should, with functions that stand in for vcpkg's.
set(SOURCE_PATH "${CURRENT_PORT_DIR}/../../..")
set(VCPKG_BUILD_TYPE release) # There are only headers.

set(components flow testing)
if("http" IN_LIST FEATURES)
  list(APPEND components http simulation)
endif()
foreach(feature IN ITEMS extract simdjson sqlite redis)
  if(feature IN_LIST FEATURES)
    list(APPEND components ${feature})
  endif()
endforeach()

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS "-DHEADGATE_COMPONENTS=${components}" -DHEADGATE_BUILD_TESTS=OFF
          -DHEADGATE_BUILD_EXAMPLES=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/headgate)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/lib" "${CURRENT_PACKAGES_DIR}/debug")

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
