// The endpoints that the application API and the operators' API share: look, list, count, cancel, signal.
//
// Ownership: each borrows the Sagas for as long as its task runs. Threads: the caller's loop.
// Limits: service.hpp. Queries come still encoded; what stood in the path comes decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/http/core/message.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

// A target, taken apart.
struct Target {
  std::vector<std::string> segments;  // of the path below `prefix`, decoded
  std::string query;                  // still encoded
};
// Nothing unless the path is `prefix` or below it. Error: malformed (a % without two digits).
[[nodiscard]] Asked<std::optional<Target>> read_target(std::string_view target, std::string_view prefix);

// The id, or the problem that there is no such saga: what is no id names none.
[[nodiscard]] Asked<SagaId> read_id(std::string_view text);

// ?timeline=true: with every record.
[[nodiscard]] net::Task<http::Response> show_saga(Sagas& sagas, std::string id, std::string query);
// ?name=&state=&search.NAME=&limit=&after=
[[nodiscard]] net::Task<http::Response> list_sagas(Sagas& sagas, std::string query);
// ?name=&state=&search.NAME=
[[nodiscard]] net::Task<http::Response> count_sagas(Sagas& sagas, std::string query);
// The saga as it is then; 202 while it is undone, with `decided_by: "pivot"` where the pivot's answer decides
// whether it will be.
[[nodiscard]] net::Task<http::Response> cancel_saga(Sagas& sagas, CancelRequest request);
// An Idempotency-Key is the signal's id. No body is the payload null.
[[nodiscard]] net::Task<http::Response> signal_saga(Sagas& sagas, std::string id, std::string name,
                                                    http::Request request);

// The values of every field of that name.
[[nodiscard]] std::vector<std::string_view> field_values(const http::Fields& fields, std::string_view name);

}  // namespace flotilla::saga
