#include "flotilla/expr/core/failure.hpp"

#include <fmt/format.h>

#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr {
namespace {

std::unexpected<EvalError> failure(ErrorKind kind, const std::string& message) {
  return std::unexpected(EvalError{kind, json::Value(message)});
}

// At most `limit` bytes of the text, whole characters.
std::string shortened(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) {
    return text;
  }
  std::size_t end = 0;
  while (end < limit) {
    const std::size_t next = end + json::utf8_sequence(text, end);
    if (next == end || next > limit) {
      break;
    }
    end = next;
  }
  return text.substr(0, end) + "...";
}

}  // namespace

std::unexpected<EvalError> type_error(std::string message) { return failure(ErrorKind::type, message); }
std::unexpected<EvalError> number_error(std::string message) { return failure(ErrorKind::number, message); }
std::unexpected<EvalError> out_of_steps() {
  return failure(ErrorKind::budget, "the expression needs more steps than its budget allows");
}
std::unexpected<EvalError> too_large() {
  return failure(ErrorKind::budget, "the expression makes a value of over 16 MiB or 256 levels");
}

std::string describe(const json::Value& value) {
  constexpr std::size_t kShown = 11;
  constexpr std::uint64_t kWritten = 4096;  // a larger value is not written out for its first bytes
  const auto kind = json::to_string(value.kind());
  return value.text_size() > kWritten ? fmt::format("{} (of {} bytes)", kind, value.text_size())
                                      : fmt::format("{} ({})", kind, shortened(json::write(value), kShown));
}

std::string EvalError::message() const {
  if (value.is_string()) {
    return std::string(value.as_string());
  }
  return fmt::format("error of {}", describe(value));
}

}  // namespace flotilla::expr
