# find_package(supcon) gives the target supcon::supcon. The paths follow this file, so that the prefix may be moved.
if(NOT TARGET supcon::supcon)
  get_filename_component(_supcon_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
  add_library(supcon::supcon SHARED IMPORTED)
  set_target_properties(supcon::supcon PROPERTIES
    IMPORTED_LOCATION "${_supcon_prefix}/lib/libsupcon.so.1"
    IMPORTED_SONAME "libsupcon.so.1"
    INTERFACE_INCLUDE_DIRECTORIES "${_supcon_prefix}/include")
  unset(_supcon_prefix)
endif()
