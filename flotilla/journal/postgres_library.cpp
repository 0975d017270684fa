#include "flotilla/journal/postgres_library.hpp"

#include <fmt/format.h>

#include "flotilla/base/shared_library.hpp"

namespace flotilla::journal::pg {
namespace {

Result<Library> load() {
  Library f;
  SharedLibrary from("libpq.so.5");
  from.find(f.connect, "PQconnectdbParams")
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
  if (!from.error().empty()) {
    return fail(
        Errc::unsupported,
        fmt::format(
            "a PostgreSQL store needs the library libpq, version 14 or newer (Debian's package libpq5): {}",
            from.error()));
  }
  return f;
}

}  // namespace

Result<const Library*> library() {
  static const Result<Library> loaded = load();
  if (!loaded) {
    return std::unexpected(loaded.error());
  }
  return &*loaded;
}

}  // namespace flotilla::journal::pg
