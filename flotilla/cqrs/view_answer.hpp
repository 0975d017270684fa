// What is asked of a view in HTTP, and what is answered: the same for services and through a gateway.
//
//   Read-After: P       what is at least so new as P, a Position that some answer named; else 503 behind
//   ?wait=200ms         how long to wait for that (1s), at most kMaxWait
//   ?stale=ok           and then rather what there is, with `Stale: true`
//   ?limit=N&after=T    a page of rows
//   If-None-Match: E    304 if it is still what had this ETag
// An answer carries View-Position (at least so new), View-Age (seconds that it is behind), ETag and, where
// more rows follow those of a key, View-Next. Ownership: values. Threads: pure functions. Limits: those of
// view_reader.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/base/time.hpp"
#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/http/core/forward.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::cqrs {

// `read_after`: the field's value, empty if there is none. Errors: malformed, naming what is wrong.
[[nodiscard]] Asked<ViewAsk> read_ask(std::string_view query, std::string_view read_after);

[[nodiscard]] http::Response refusal_answer(const Refusal& refusal);

// The head of an answer that has a body, without a copy of it. The answer and `if_none_match` outlive it.
class ViewHead {
 public:
  ViewHead(const ViewAnswer& answer, std::string_view if_none_match, WallTime now);
  ViewHead(const ViewHead&) = delete;
  ViewHead& operator=(const ViewHead&) = delete;

  [[nodiscard]] std::uint16_t status() const noexcept { return unchanged_ ? 304 : 200; }
  [[nodiscard]] std::span<const http::HeaderLine> fields() const noexcept { return {fields_.data(), count_}; }
  [[nodiscard]] std::string_view body() const noexcept {
    return unchanged_ ? std::string_view() : std::string_view(answer_.body->json);
  }

 private:
  void add(std::string_view name, std::string_view value) noexcept { fields_[count_++] = {name, value}; }

  const ViewAnswer& answer_;
  const std::string position_;
  std::string age_;
  bool unchanged_ = false;
  std::array<http::HeaderLine, 7> fields_;
  std::size_t count_ = 0;
};

// 404 where there is nothing under the key. `if_none_match`: the field's value, empty if there is none.
[[nodiscard]] http::Response view_answer(const ViewAnswer& answer, std::string_view if_none_match,
                                         WallTime now);

}  // namespace flotilla::cqrs
