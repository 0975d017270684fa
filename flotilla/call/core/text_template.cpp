#include "flotilla/call/core/text_template.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::call {
namespace {

constexpr std::size_t kMaxInterpolations = 16;

bool is_name_start(char c) noexcept { return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '_'; }

std::unexpected<Error> error(std::string_view text, std::size_t at, std::string_view what) {
  return fail(Errc::invalid, fmt::format("'{}', column {}: {}", text, at + 1, what));
}

// The end of the string literal whose opening quote is at `at`: the position after its closing quote, or
// nothing. Interpolations `\( ... )` hold expressions, which hold strings.
std::optional<std::size_t> skip_string(std::string_view text, std::size_t at, std::size_t depth);

// The position of the character that closes the bracket opened before `at`.
std::optional<std::size_t> find_close(std::string_view text, std::size_t at, char open, char close,
                                      std::size_t depth) {
  std::size_t nesting = 1;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      const auto end = skip_string(text, at, depth);
      if (!end) {
        return std::nullopt;
      }
      at = *end;
      continue;
    }
    if (c == open) {
      ++nesting;
    } else if (c == close && --nesting == 0) {
      return at;
    }
    ++at;
  }
  return std::nullopt;
}

std::optional<std::size_t> skip_string(std::string_view text, std::size_t at, std::size_t depth) {
  if (depth > kMaxInterpolations) {
    return std::nullopt;
  }
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') {
      return at + 1;
    }
    if (text[at] != '\\') {
      continue;
    }
    ++at;
    if (at < text.size() && text[at] == '(') {
      const auto close = find_close(text, at + 1, '(', ')', depth + 1);
      if (!close) {
        return std::nullopt;
      }
      at = *close;
    }
  }
  return std::nullopt;
}

// The hole whose '{' is at `open`; `next` becomes the position after it.
Result<TemplatePart> parse_hole(std::string_view text, std::size_t open, std::size_t& next) {
  const auto close = find_close(text, open + 1, '{', '}', 0);
  if (!close) {
    return error(text, open, "this '{' is never closed");
  }
  next = *close + 1;
  const std::string_view inside = text.substr(open + 1, *close - open - 1);
  TemplatePart part{.kind = TemplatePart::Kind::parameter, .text = std::string(inside), .column = open + 2};
  if (inside.starts_with('.') || inside.starts_with('$')) {
    auto compiled = Expression::compile(inside);
    if (!compiled) {
      return error(text, open + 1, fmt::format("in this expression: {}", compiled.error().message));
    }
    part.kind = TemplatePart::Kind::expression;
    part.expression = *std::move(compiled);
    return part;
  }
  const bool name = !inside.empty() && is_name_start(inside.front()) &&
                    std::ranges::all_of(inside, [](char c) { return is_name_start(c) || is_digit(c); });
  if (!name) {
    return error(text, open, "write {name} for a parameter of the path, or {.expression} for a value");
  }
  return part;
}

}  // namespace

Result<std::vector<TemplatePart>> parse_template(std::string_view text, std::size_t from) {
  if (text.size() > kMaxTemplateBytes) {
    return fail(Errc::limit,
                fmt::format("a template of {} bytes; at most {} are taken", text.size(), kMaxTemplateBytes));
  }
  std::vector<TemplatePart> parts;
  std::size_t holes = 0;
  std::size_t at = from;
  while (at < text.size()) {
    const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
    if (brace > at) {
      parts.push_back({.text = std::string(text.substr(at, brace - at)), .column = at + 1});
    }
    if (brace == text.size()) {
      break;
    }
    if (text[brace] == '}') {
      return error(text, brace, "a '}' without '{'");
    }
    if (++holes > kMaxTemplateHoles) {
      return fail(Errc::limit, fmt::format("'{}': more than {} holes", text, kMaxTemplateHoles));
    }
    auto part = parse_hole(text, brace, at);
    if (!part) {
      return std::unexpected(part.error());
    }
    parts.push_back(*std::move(part));
  }
  return parts;
}

std::expected<std::string, RenderFault> render_hole(const TemplatePart& part, const RequestScope& scope) {
  const bool parameter = part.kind == TemplatePart::Kind::parameter;
  const auto cause =
      parameter || part.text.starts_with('$') ? RenderFault::Cause::request : RenderFault::Cause::answer;
  const auto fault = [&](std::string_view what) {
    return std::unexpected(RenderFault{cause, fmt::format("{{{}}} {}; nothing was sent", part.text, what)});
  };
  json::Value value;
  if (parameter) {
    value = scope.path[part.text];
  } else {
    auto evaluated = part.expression->evaluate(scope);
    if (!evaluated) {
      return fault(fmt::format("fails: {}", evaluated.error().message));
    }
    value = *std::move(evaluated);
  }
  switch (value.kind()) {
    case json::Kind::null:
      return fault("is null");
    case json::Kind::boolean:
      return value.as_bool() ? "true" : "false";
    case json::Kind::number:
      return std::string(value.number_text());
    case json::Kind::string:
      break;
    case json::Kind::array:
      return fault("is an array where a string or number belongs");
    case json::Kind::object:
      return fault("is an object where a string or number belongs");
  }
  if (value.as_string().empty()) {
    return fault("is empty");
  }
  return std::string(value.as_string());
}

bool mentions(std::span<const TemplatePart> parts, std::string_view variable) {
  return std::ranges::any_of(parts, [variable](const TemplatePart& part) {
    return part.expression && part.expression->mentions(variable);
  });
}

Result<TextTemplate> TextTemplate::parse(std::string_view text) {
  auto parts = parse_template(text);
  if (!parts) {
    return std::unexpected(parts.error());
  }
  TextTemplate parsed;
  parsed.text_ = text;
  parsed.parts_ = *std::move(parts);
  return parsed;
}

std::expected<std::string, RenderFault> TextTemplate::render(const RequestScope& scope) const {
  std::string out;
  for (const TemplatePart& part : parts_) {
    if (part.kind == TemplatePart::Kind::literal) {
      out += part.text;
      continue;
    }
    auto text = render_hole(part, scope);
    if (!text) {
      return text;
    }
    if (std::ranges::any_of(*text,
                            [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
      return std::unexpected(
          RenderFault{RenderFault::Cause::request,
                      fmt::format("{{{}}} has a control character; nothing was sent", part.text)});
    }
    out += *text;
  }
  return out;
}

}  // namespace flotilla::call
