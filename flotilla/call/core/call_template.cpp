#include "flotilla/call/core/call_template.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::call {
namespace {

constexpr std::size_t kMaxServiceBytes = 128;

bool is_service_char(char c) noexcept {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '-' || c == '_' || c == '.';
}

std::unexpected<Error> error(std::string_view text, std::size_t column, std::string_view what) {
  return fail(Errc::invalid, fmt::format("call '{}', column {}: {}", text, column, what));
}

}  // namespace

Result<CallTemplate> CallTemplate::parse(std::string_view text) {
  CallTemplate call;
  call.text_ = text;
  const auto target = call.parse_method_and_service();
  if (!target) {
    return std::unexpected(target.error());
  }
  auto parts = parse_template(text, *target);
  if (!parts) {
    return fail(parts.error().code, fmt::format("call {}", parts.error().message));
  }
  call.path_ = *std::move(parts);
  call.split_query();
  if (call.path_.empty()) {
    call.path_.push_back({.text = "/", .column = text.size() + 1});
  }
  if (auto ok = call.check_literals(); !ok) {
    return std::unexpected(ok.error());
  }
  return call;
}

// Returns where the path begins.
Result<std::size_t> CallTemplate::parse_method_and_service() {
  const std::string_view text = text_;
  const std::size_t blank = std::min(text.find(' '), text.size());
  method_ = text.substr(0, blank);
  const bool upper =
      !method_.empty() && std::ranges::all_of(method_, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!upper) {
    return error(text, 1, "write METHOD service/path, as in GET user-service/users/{id}");
  }
  const std::size_t begin = std::min(text.find_first_not_of(' ', blank), text.size());
  std::size_t end = begin;
  while (end < text.size() && is_service_char(text[end])) {
    ++end;
  }
  if (end == begin || end - begin > kMaxServiceBytes) {
    return error(text, begin + 1, "the name of a service belongs here, as in GET user-service/users/{id}");
  }
  if (end < text.size() && text[end] != '/' && text[end] != '?') {
    return error(text, end + 1, "a service's name is letters, digits, '-', '_' and '.', and a '/' ends it");
  }
  service_ = ServiceName(std::string(text.substr(begin, end - begin)));
  return end;
}

// Moves what follows the first literal '?' from path_ to query_.
void CallTemplate::split_query() {
  for (std::size_t i = 0; i < path_.size(); ++i) {
    TemplatePart& part = path_[i];
    const std::size_t mark =
        part.kind == TemplatePart::Kind::literal ? part.text.find('?') : std::string::npos;
    if (mark == std::string::npos) {
      continue;
    }
    query_.push_back({.text = part.text.substr(mark), .column = part.column + mark});
    std::move(path_.begin() + static_cast<std::ptrdiff_t>(i) + 1, path_.end(), std::back_inserter(query_));
    part.text.resize(mark);
    path_.resize(part.text.empty() ? i : i + 1);
    return;
  }
}

Result<> CallTemplate::check_literals() const {
  std::string skeleton;  // the path with every hole filled by a harmless letter
  for (const TemplatePart& part : path_) {
    skeleton +=
        part.kind == TemplatePart::Kind::literal ? std::string_view(part.text) : std::string_view("x");
  }
  std::string scratch;
  const auto normal = http::normalize_path(skeleton, scratch);
  if (!normal) {
    return error(text_, path_.front().column, "not a path: look for '#', control characters and '%'");
  }
  if (normal->path != skeleton) {
    return error(text_, path_.front().column,
                 fmt::format("write the path in its normal form: {}", normal->path));
  }
  for (const TemplatePart& part : query_) {
    if (part.kind != TemplatePart::Kind::literal) {
      continue;
    }
    const auto wrong = std::ranges::find_if(part.text, [](char c) {
      return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F || c == '#';
    });
    if (wrong != part.text.end()) {
      return error(text_, part.column + static_cast<std::size_t>(wrong - part.text.begin()),
                   "percent-encode this character in a query");
    }
  }
  return {};
}

std::expected<std::string, RenderFault> CallTemplate::render(const RequestScope& scope) const {
  std::string target;
  for (const TemplatePart& part : path_) {
    if (part.kind == TemplatePart::Kind::literal) {
      target += part.text;
      continue;
    }
    const auto value = render_hole(part, scope);
    if (!value) {
      return value;
    }
    // Refused wherever it stands, so that no segment can become a dot segment together with a literal either.
    if (*value == "." || *value == "..") {
      return std::unexpected(RenderFault{
          RenderFault::Cause::request,
          fmt::format("{{{}}} is '{}', which is no segment of a path; nothing was sent", part.text, *value)});
    }
    if (value->contains('\0')) {  // %00 ends a string in many a server
      return std::unexpected(RenderFault{RenderFault::Cause::request,
                                         fmt::format("{{{}}} has a zero byte; nothing was sent", part.text)});
    }
    http::percent_encode_segment(target, *value);
  }
  for (const TemplatePart& part : query_) {
    if (part.kind == TemplatePart::Kind::literal) {
      target += part.text;
      continue;
    }
    const auto value = render_hole(part, scope);
    if (!value) {
      return value;
    }
    http::percent_encode_query_value(target, *value);
  }
  if (target.size() > kMaxTargetBytes) {
    return std::unexpected(
        RenderFault{RenderFault::Cause::request,
                    fmt::format("the path and query have {} bytes, at most {} are sent; nothing was sent",
                                target.size(), kMaxTargetBytes)});
  }
  return target;
}

std::vector<std::string_view> CallTemplate::parameters() const {
  std::vector<std::string_view> names;
  for (const auto* parts : {&path_, &query_}) {
    for (const TemplatePart& part : *parts) {
      if (part.kind == TemplatePart::Kind::parameter) {
        names.push_back(part.text);
      }
    }
  }
  return names;
}

}  // namespace flotilla::call
