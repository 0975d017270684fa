#include "flotilla/cqrs/check_config_reader.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/cqrs/core/expression_aggregate.hpp"
#include "flotilla/http/core/scan.hpp"

namespace flotilla::cqrs {
namespace {

using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

constexpr Duration kShortestTimeout = std::chrono::milliseconds(1);
constexpr Duration kLongestTimeout = std::chrono::minutes(10);
// Of the request, its body and how it is sent: whoever wrote one of them would be misread.
constexpr std::array<std::string_view, 13> kOwnHeaders{"host",
                                                       "content-length",
                                                       "content-type",
                                                       "transfer-encoding",
                                                       "te",
                                                       "trailer",
                                                       "connection",
                                                       "keep-alive",
                                                       "upgrade",
                                                       "expect",
                                                       "idempotency-key",
                                                       "traceparent",
                                                       "x-request-timeout-ms"};

Kind<std::vector<CheckDraft::Header>> headers() {
  const std::string form = "a mapping of header names to templates";
  return {
      .form = form,
      .schema = R"({"type":"object","additionalProperties":{"type":"string"}})",
      .read = [form](const Node& node, Problems& problems) -> std::optional<std::vector<CheckDraft::Header>> {
        if (node.kind != Node::Kind::map) {
          config::wrong(node, form, problems);
          return std::nullopt;
        }
        std::vector<CheckDraft::Header> all;
        for (const Node::Entry& entry : node.entries) {
          if (const auto* const text = config::scalar(entry.value, "a template", problems)) {
            all.push_back({.name = entry.key, .value = *text, .place = entry.place});
          }
        }
        return all;
      }};
}

void take_body(CheckDraft& draft, const std::string& text, const Node& node, Problems& problems) {
  auto compiled = text.empty() ? Result<expr::Program>(fail(Errc::invalid, "an expression is missing"))
                               : compile_command_id(text);
  if (!compiled) {
    problems.add(node.place, fmt::format("body: {}", compiled.error().message));
    return;
  }
  draft.body = std::move(*compiled);
}

const Spec<CheckDraft>& check_spec() {
  static const Spec<CheckDraft> spec = [] {
    Spec<CheckDraft> s("a check");
    s.field("call", config::text(), &CheckDraft::call, "METHOD service/path; `{.field}` is of the command");
    s.field_with<std::string>("body", config::text(), &take_body, "an expression over the command",
                              "the command");
    s.field("headers", headers(), &CheckDraft::headers, "headers; `{.field}` is of the command", "none");
    s.field("timeout", config::duration(kShortestTimeout, kLongestTimeout), &CheckDraft::timeout,
            "of the whole call", "the service's");
    s.later("retry");
    s.required("call");
    return s;
  }();
  return spec;
}

// What a template of a check mentions that is not there: nothing, or why not.
template <class Parts>
std::optional<std::string> foreign(const Parts& parts) {
  for (const call::TemplatePart& part : parts) {
    if (part.kind == call::TemplatePart::Kind::parameter) {
      return fmt::format(
          "'{{{}}}' is a parameter of a route, and there is none; the command is `.`, as in {{.id}}",
          part.text);
    }
  }
  for (const std::string_view name : {"path", "query", "headers", "body"}) {
    if (call::mentions(parts, name)) {
      return fmt::format("there is no request, so no ${}", name);
    }
  }
  return std::nullopt;
}

bool read_header(const CheckDraft::Header& header, Check& check, Problems& problems) {
  const std::string name = to_lower(header.name);
  const auto is_it = [&](const auto& other) { return iequals(other.first, name); };
  std::string wrong;
  if (!http::is_token(name)) {
    wrong = "that is not a header's name";
  } else if (std::ranges::find(kOwnHeaders, name) != kOwnHeaders.end() || name.starts_with("saga-") ||
             name.starts_with("event-") || name.starts_with("flotilla-")) {
    wrong = "Flotilla sets it itself; take it out";
  } else if (std::ranges::any_of(check.headers, is_it)) {
    wrong = "it stands twice; keep one";
  }
  if (wrong.empty()) {
    auto value = call::TextTemplate::parse(header.value);
    if (!value) {
      wrong = value.error().message;
    } else if (auto alien = foreign(value->parts())) {
      wrong = std::move(*alien);
    } else {
      check.headers.emplace_back(header.name, std::move(*value));
      return true;
    }
  }
  problems.add(header.place, fmt::format("check: header '{}': {}", header.name, wrong));
  return false;
}

}  // namespace

Kind<CheckDraft> check_kind() {
  const std::string form = "METHOD service/path, or a mapping with call";
  return {.form = form,
          .schema = fmt::format(R"({{"anyOf":[{{"type":"string"}},{}]}})", check_spec().schema()),
          .read = [form](const Node& node, Problems& problems) -> std::optional<CheckDraft> {
            CheckDraft draft;
            draft.place = node.place;
            if (node.kind == Node::Kind::scalar) {
              draft.call = node.text;
              return draft;
            }
            if (node.kind != Node::Kind::map) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            return check_spec().read(node, draft, problems) ? std::optional(std::move(draft)) : std::nullopt;
          },
          .reference = [](const std::string& prefix) { return check_spec().reference(prefix); }};
}

std::optional<Check> read_check(CheckDraft draft, Problems& problems) {
  auto call = call::CallTemplate::parse(draft.call);
  auto alien = call ? foreign(call->path()) : std::optional(call.error().message);
  alien = alien ? alien : foreign(call->query());
  if (alien) {
    problems.add(draft.place, "check: " + *alien);
    return std::nullopt;
  }
  if (draft.headers.size() > kMaxCheckHeaders) {
    problems.add(draft.place,
                 fmt::format("check: {} headers, the limit is {}", draft.headers.size(), kMaxCheckHeaders));
    return std::nullopt;
  }
  Check check{.call = std::move(*call),
              .body = std::move(draft.body),
              .headers = {},
              .retry = draft.retry,
              .timeout = draft.timeout};
  bool good = true;
  for (const CheckDraft::Header& header : draft.headers) {
    good &= read_header(header, check, problems);
  }
  return good ? std::optional(std::move(check)) : std::nullopt;
}

}  // namespace flotilla::cqrs
