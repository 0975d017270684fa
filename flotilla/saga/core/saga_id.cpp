#include "flotilla/saga/core/saga_id.hpp"

#include "flotilla/base/ulid.hpp"

namespace flotilla::saga {

SagaId SagaId::make(WallTime now, Random& random) noexcept {
  const Ulid ulid = Ulid::make(now, random);
  return {.high = ulid.high, .low = ulid.low};
}

std::string SagaId::text() const { return Ulid{.high = high, .low = low}.text(); }

std::optional<SagaId> SagaId::parse(std::string_view text) noexcept {
  const auto ulid = Ulid::parse(text);
  return ulid ? std::optional(SagaId{.high = ulid->high, .low = ulid->low}) : std::nullopt;
}

}  // namespace flotilla::saga
