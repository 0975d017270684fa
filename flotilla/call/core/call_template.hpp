// A call as the file writes it: `GET order-service/orders?user_id={id}`.
//
// For: every place of the file where a call stands (compositions, checks, deliveries, saga steps). The holes
// are those of text_template.hpp. Each value fills exactly the place it was written for: percent-encoded, so
// it can neither end a segment nor add a parameter. A value that is null or empty, and in the path `.` or
// `..`, would address another resource than was meant: nothing is sent, and the fault names the hole.
// Ownership: a value. Threads: immutable after parse. Limits: kMaxTargetBytes of rendered target.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/strong.hpp"
#include "flotilla/call/core/text_template.hpp"

namespace flotilla::call {

inline constexpr std::size_t kMaxTargetBytes = 8192;

class CallTemplate {
 public:
  // `METHOD service`, `METHOD service/path`, `METHOD service/path?query`. Without a path it is '/'.
  // Errors: Errc::invalid, with the column. The path is written in its normal form (http::normalize_path).
  [[nodiscard]] static Result<CallTemplate> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::string& method() const noexcept { return method_; }
  [[nodiscard]] const ServiceName& service() const noexcept { return service_; }
  // Path and query in origin form: "/orders?user_id=42".
  [[nodiscard]] std::expected<std::string, RenderFault> render(const RequestScope& scope) const;
  // Whether an expression in it mentions the variable of that name (without '$').
  [[nodiscard]] bool mentions(std::string_view variable) const {
    return call::mentions(path_, variable) || call::mentions(query_, variable);
  }
  // Its parts, in order: what the path is made of, and the query with its '?'.
  [[nodiscard]] const std::vector<TemplatePart>& path() const noexcept { return path_; }
  [[nodiscard]] const std::vector<TemplatePart>& query() const noexcept { return query_; }
  // The names of the `{name}` holes, so that a route without them is found when the file is read.
  [[nodiscard]] std::vector<std::string_view> parameters() const;

 private:
  [[nodiscard]] Result<std::size_t> parse_method_and_service();
  [[nodiscard]] Result<> check_literals() const;
  void split_query();

  std::string text_;
  std::string method_;
  ServiceName service_;
  std::vector<TemplatePart> path_;
  std::vector<TemplatePart> query_;  // with its '?'
};

}  // namespace flotilla::call
