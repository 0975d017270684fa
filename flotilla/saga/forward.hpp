// What a process asks of the one that owns a saga's shard, as bytes; and the seal that shows who asks.
//
// For: runner_requests.cpp, on both sides. A request of service.hpp is written whole, posted to kForwardPath
// of the owner's application API, and answered with what the owner's runner says; it is never passed on. The
// seal is a keyed hash of the bytes under the material of keys (saga_key.hpp), which the processes of one
// journal share and nobody else has; so the port's token is not needed, and who asked first can be told.
// Ownership: values. Threads: pure functions. Limits: those of service.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/saga_key.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

inline constexpr std::string_view kForwardPath = "/v1/forwarded";
inline constexpr std::string_view kSealHeader = "Flotilla-Seal";

[[nodiscard]] std::string seal(const KeyMaterial& material, std::string_view bytes);

using Forwarded = std::variant<StartRequest, CancelRequest, SignalRequest, OperateRequest, CallbackRequest>;

[[nodiscard]] json::Value write_forwarded(const Forwarded& request);
// Nothing for what write_forwarded() did not write.
[[nodiscard]] std::optional<Forwarded> read_forwarded(const json::Value& value);

[[nodiscard]] json::Value write_answer(const StartResult& result);
[[nodiscard]] json::Value write_answer(const CancelResult& result);
[[nodiscard]] json::Value write_answer(const SignalResult& result);
[[nodiscard]] json::Value write_answer(const SagaView& view);
[[nodiscard]] json::Value write_answer(const std::monostate& nothing);
[[nodiscard]] json::Value write_answer(const SagaProblem& problem);
template <class T>
[[nodiscard]] json::Value write_answer(const Asked<T>& asked) {
  return asked ? write_answer(*asked) : write_answer(asked.error());
}

// A problem of the owner's comes as a problem here; so does what is no answer.
template <class T>
[[nodiscard]] Asked<T> read_answer(const json::Value& value);

}  // namespace flotilla::saga
