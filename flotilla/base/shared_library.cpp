#include "flotilla/base/shared_library.hpp"

#include <dlfcn.h>

namespace flotilla {

SharedLibrary::SharedLibrary(const char* file) : handle_(::dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) {
    error_ = ::dlerror();
  }
}

void* SharedLibrary::address(const char* name) {
  if (!error_.empty()) {
    return nullptr;
  }
  void* const found = ::dlsym(handle_, name);
  if (found == nullptr) {
    error_ = name;
  }
  return found;
}

}  // namespace flotilla
