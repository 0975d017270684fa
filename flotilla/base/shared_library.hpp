// A shared library of the machine that is loaded when something first needs it, so that a program that needs
// none of it stays small and starts where it is not installed.
//
// For: the client libraries we wrap (libpq, librdkafka, hiredis). Ownership: what was loaded stays for the
// process's life, so its functions may be kept. Threads: one at a time; wrappers load in the initializer of a
// static. Limits: none.
#pragma once

#include <string>

namespace flotilla {

class SharedLibrary {
 public:
  // `file`: its name with the version of its interface, such as libpq.so.5.
  explicit SharedLibrary(const char* file);

  // Sets `function` to the one of that name. After an error it does nothing.
  template <class Function>
  SharedLibrary& find(Function& function, const char* name) {
    if (void* const found = address(name); found != nullptr) {
      function = reinterpret_cast<Function>(found);
    }
    return *this;
  }

  // The first thing that went wrong: why it cannot be loaded, or the name that it does not have. Empty: none.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  [[nodiscard]] void* address(const char* name);

  void* handle_;  // null: it could not be loaded
  std::string error_;
};

}  // namespace flotilla
