#include "flotilla/journal/postgres_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace flotilla::journal::pg {
namespace {

struct Loaded {
  Library functions;
  std::string error;  // empty: all are there
};

class Loader {
 public:
  explicit Loader(Loaded& into) : into_(into), handle_(::dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) {
      fail_with(::dlerror());
    }
  }
  template <class Function>
  Loader& find(Function& function, const char* name) {
    if (into_.error.empty()) {
      function = reinterpret_cast<Function>(::dlsym(handle_, name));
      if (function == nullptr) {
        fail_with(name);
      }
    }
    return *this;
  }

 private:
  void fail_with(const char* why) {
    into_.error = fmt::format(
        "a PostgreSQL store needs the library libpq, version 14 or newer (Debian's package libpq5): {}", why);
  }

  Loaded& into_;
  void* handle_;
};

Loaded load() {
  Loaded loaded;
  Library& f = loaded.functions;
  Loader(loaded)
      .find(f.connect, "PQconnectdbParams")
      .find(f.finish, "PQfinish")
      .find(f.status, "PQstatus")
      .find(f.error_message, "PQerrorMessage")
      .find(f.socket, "PQsocket")
      .find(f.backend_pid, "PQbackendPID")
      .find(f.server_version, "PQserverVersion")
      .find(f.parameter_status, "PQparameterStatus")
      .find(f.set_nonblocking, "PQsetnonblocking")
      .find(f.set_notice_receiver, "PQsetNoticeReceiver")
      .find(f.send_query, "PQsendQueryParams")
      .find(f.send_prepare, "PQsendPrepare")
      .find(f.send_prepared, "PQsendQueryPrepared")
      .find(f.enter_pipeline, "PQenterPipelineMode")
      .find(f.exit_pipeline, "PQexitPipelineMode")
      .find(f.pipeline_sync, "PQpipelineSync")
      .find(f.flush, "PQflush")
      .find(f.consume_input, "PQconsumeInput")
      .find(f.is_busy, "PQisBusy")
      .find(f.get_result, "PQgetResult")
      .find(f.clear, "PQclear")
      .find(f.result_status, "PQresultStatus")
      .find(f.error_field, "PQresultErrorField")
      .find(f.command_status, "PQcmdStatus")
      .find(f.row_count, "PQntuples")
      .find(f.value, "PQgetvalue")
      .find(f.length, "PQgetlength")
      .find(f.is_null, "PQgetisnull")
      .find(f.parse, "PQconninfoParse")
      .find(f.free_options, "PQconninfoFree")
      .find(f.free_memory, "PQfreemem")
      .find(f.notifies, "PQnotifies");
  return loaded;
}

}  // namespace

Result<const Library*> library() {
  static const Loaded loaded = load();
  if (!loaded.error.empty()) {
    return fail(Errc::unsupported, loaded.error);
  }
  return &loaded.functions;
}

}  // namespace flotilla::journal::pg
