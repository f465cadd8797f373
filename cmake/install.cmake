# Installs the layers of headgate: headers, a CMake package and pkg-config files, nothing of which
# depends on the architecture or on where the prefix is.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/headgate")
set(pkg_config_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
set(build_dir "${CMAKE_CURRENT_BINARY_DIR}/cmake")

# A set of targets for each component, so that the configuration loads only those asked for.
foreach(name IN LISTS headgate_layers)
  set(target headgate_${name})
  if(name STREQUAL "flow")
    set(target headgate)
  endif()
  install(TARGETS ${target} EXPORT headgate-${name} FILE_SET HEADERS)
  install(
    EXPORT headgate-${name}
    FILE headgate-${name}-targets.cmake
    NAMESPACE headgate::
    DESTINATION "${package_dir}")
endforeach()

set(installed "${headgate_layers}")
configure_file(cmake/headgateConfig.cmake.in "${build_dir}/headgateConfig.cmake" @ONLY)
# While the major version is 0 the minor one says what is compatible.
write_basic_package_version_file(
  "${build_dir}/headgateConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(
  FILES "${build_dir}/headgateConfig.cmake" "${build_dir}/headgateConfigVersion.cmake"
        cmake/headgateComponents.cmake cmake/Findasio.cmake cmake/Findhiredis.cmake
  DESTINATION "${package_dir}")

# pkg-config: headgate.pc is flow, headgate-<component>.pc another layer. The way from the file to
# the prefix is relative, so that the installation can be moved.
file(RELATIVE_PATH pc_prefix "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${pc_prefix}")
file(RELATIVE_PATH pc_includedir "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
set(pc_includedir "\${prefix}/${pc_includedir}")
foreach(name IN LISTS headgate_layers)
  _headgate_component(${name})
  set(pc_requires "")
  foreach(each IN LISTS needs)
    list(APPEND pc_requires "headgate-${each} = ${PROJECT_VERSION}")
  endforeach()
  list(TRANSFORM pc_requires REPLACE "headgate-flow " "headgate ")
  if(name STREQUAL "flow")
    set(pc_name headgate)
    set(pc_layer "")
    # Asio has no module of pkg-config in Debian, so it is expected where the compiler looks. Such a
    # file cannot ask for the compiler: clang needs the last two definitions with an Asio before
    # 1.26, for others they are what Asio defines itself.
    set(pc_asio "-DASIO_STANDALONE -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1")
    if(HEADGATE_ASIO STREQUAL "boost")
      set(pc_asio "-DHEADGATE_BOOST_ASIO=1")
    endif()
    set(pc_cflags "-I\${includedir} ${pc_asio} -pthread")
    set(pc_libs -pthread)
  else()
    set(pc_name headgate-${name})
    set(pc_layer " (${name})")
    set(pc_cflags "")
    set(pc_libs "")
    if(package)
      list(GET package 1 version)
      list(GET package 3 module)
      list(APPEND pc_requires "${module} >= ${version}")
    endif()
  endif()
  list(JOIN pc_requires ", " pc_requires)
  configure_file(cmake/headgate.pc.in "${build_dir}/${pc_name}.pc" @ONLY)
  install(FILES "${build_dir}/${pc_name}.pc" DESTINATION "${pkg_config_dir}")
endforeach()
