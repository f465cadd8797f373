#ifndef HEADGATE_TESTS_SUPPORT_INTERPOSE_HPP
#define HEADGATE_TESTS_SUPPORT_INTERPOSE_HPP

#include <dlfcn.h>

namespace support {

/// The function of that name that a test program's own one stands in front of.
template <class Function>
Function* original(const char* name)
{
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

} // namespace support

#endif
