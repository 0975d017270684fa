// The operators' API of aggregates, on the admin port. Nothing is changed through it.
//
//   GET /api/v1/aggregates                          {items: [{name, commands, snapshot_every}], next: null}
//   GET /api/v1/aggregates/{name}?limit&after       {items: [{id, created}], next}
//   GET /api/v1/aggregates/{name}/{id}?at           {aggregate, id, version, newest, state, snapshot, folded,
//                                 &limit&after       position, items: [events], next}
//
// `at` is an earlier version. The admin port's guard stands before it. Ownership: borrows the reader.
// Threads: one loop's. Limits: those of aggregate_reader.hpp.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/cqrs/aggregate_reader.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::cqrs {

class AggregateApi {
 public:
  static constexpr std::string_view kPrefix = "/api/v1/aggregates";

  explicit AggregateApi(AggregateReader& reader) noexcept : reader_(reader) {}

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] http::Response declared() const;
  [[nodiscard]] net::Task<http::Response> page(std::string name, std::string query);
  [[nodiscard]] net::Task<http::Response> show(std::string name, std::string id, std::string query);

  AggregateReader& reader_;
};

}  // namespace flotilla::cqrs
