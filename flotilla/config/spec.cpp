#include "flotilla/config/spec.hpp"

#include <charconv>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::config {
namespace {

std::string enum_schema(const std::vector<std::string>& words) {
  std::string out = R"({"enum":[)";
  for (std::size_t i = 0; i < words.size(); ++i) {
    out += i == 0 ? "" : ",";
    json::append_quoted(out, words[i]);
  }
  return out + "]}";
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : ", ") + word;
  }
  return out;
}

// A kind whose text `parse` understands; its error is the problem.
template <class T, class Parse>
Kind<T> parsed(std::string form, std::string pattern, Parse parse) {
  std::string schema = R"({"type":"string","pattern":)";
  json::append_quoted(schema, pattern);
  return {.form = form,
          .schema = schema + "}",
          .read = [form, parse](const Node& node, Problems& problems) -> std::optional<T> {
            const std::string* const raw = scalar(node, form, problems);
            if (raw == nullptr) {
              return std::nullopt;
            }
            auto value = parse(*raw);
            if (!value) {
              problems.add(node.place, value.error().message);
              return std::nullopt;
            }
            return *value;
          }};
}

}  // namespace

void wrong(const Node& node, std::string_view form, Problems& problems) {
  problems.add(node.place, fmt::format("must be {}", form));
}

const std::string* scalar(const Node& node, std::string_view form, Problems& problems) {
  if (node.kind != Node::Kind::scalar) {
    wrong(node, form, problems);
    return nullptr;
  }
  return &node.text;
}

Kind<std::string> text() {
  return {.form = "text", .schema = R"({"type":"string"})", .read = [](const Node& node, Problems& problems) {
            const std::string* const raw = scalar(node, "text", problems);
            return raw == nullptr ? std::nullopt : std::optional(*raw);
          }};
}

Kind<std::string> one_of(std::vector<std::string> words) {
  const std::string form = "one of " + joined(words);
  return {.form = form,
          .schema = enum_schema(words),
          .read = [words, form](const Node& node, Problems& problems) -> std::optional<std::string> {
            const std::string* const raw = scalar(node, form, problems);
            if (raw == nullptr) {
              return std::nullopt;
            }
            for (const std::string& word : words) {
              if (*raw == word) {
                return word;
              }
            }
            wrong(node, form, problems);
            return std::nullopt;
          }};
}

Kind<bool> boolean() {
  return {.form = "true or false",
          .schema = R"({"type":"boolean"})",
          .read = [](const Node& node, Problems& problems) -> std::optional<bool> {
            if (node.kind == Node::Kind::scalar && !node.quoted &&
                (node.text == "true" || node.text == "false")) {
              return node.text == "true";
            }
            wrong(node, "true or false", problems);
            return std::nullopt;
          }};
}

Kind<std::uint32_t> integer(std::uint32_t least, std::uint32_t most) {
  const std::string form = fmt::format("a whole number, {} to {}", least, most);
  return {.form = form,
          .schema = fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", least, most),
          .read = [form, least, most](const Node& node, Problems& problems) -> std::optional<std::uint32_t> {
            const auto value =
                node.kind == Node::Kind::scalar ? parse_int<std::uint32_t>(node.text) : std::nullopt;
            if (!value || *value < least || *value > most) {
              wrong(node, form, problems);
              return std::nullopt;
            }
            return value;
          }};
}

Kind<double> number(double least, double most) {
  const std::string form = fmt::format("a number, {} to {}", least, most);
  return {.form = form,
          .schema = fmt::format(R"({{"type":"number","minimum":{},"maximum":{}}})", least, most),
          .read = [form, least, most](const Node& node, Problems& problems) -> std::optional<double> {
            double value = 0;
            const char* const end = node.text.data() + node.text.size();
            const auto [at, error] = std::from_chars(node.text.data(), end, value);
            if (node.kind != Node::Kind::scalar || error != std::errc{} || at != end || value < least ||
                value > most) {
              wrong(node, form, problems);
              return std::nullopt;
            }
            return value;
          }};
}

Kind<Duration> duration(Duration least, Duration most) {
  return parsed<Duration>(
      fmt::format("a duration, {} to {}", show_duration(least), show_duration(most)),
      "^[0-9]+(us|ms|s|m|h|d)$", [least, most](std::string_view raw) -> Result<Duration> {
        auto value = parse_duration(raw);
        if (value && (*value < least || *value > most)) {
          return fail(Errc::invalid,
                      fmt::format("must be a duration, {} to {}", show_duration(least), show_duration(most)));
        }
        return value;
      });
}

Kind<DurationRange> duration_range() {
  return parsed<DurationRange>("FIRST..CAP, such as 25ms..250ms", "^[0-9]+[a-z]+\\.\\.[0-9]+[a-z]+$",
                               &parse_duration_range);
}

Kind<std::uint64_t> size(std::uint64_t least, std::uint64_t most) {
  return parsed<std::uint64_t>(
      fmt::format("a size, {} to {}", show_size(least), show_size(most)), "^[0-9]+(B|KiB|MiB|GiB)$",
      [least, most](std::string_view raw) -> Result<std::uint64_t> {
        auto value = parse_size(raw);
        if (value && (*value < least || *value > most)) {
          return fail(Errc::invalid,
                      fmt::format("must be a size, {} to {}", show_size(least), show_size(most)));
        }
        return value;
      });
}

Kind<double> share() { return parsed<double>("a share such as 25%", "^[0-9.]+%$", &parse_share); }
Kind<Rate> rate() { return parsed<Rate>("a rate such as 100/s", "^[0-9]+/(s|m|h|d)$", &parse_rate); }

Kind<std::string> listen_address() {
  return parsed<std::string>("an address to listen on, such as 127.0.0.1:8000", "^.+:[0-9]+$",
                             [](std::string_view raw) -> Result<std::string> {
                               const auto parts = parse_host_port(raw);
                               if (!parts || !is_ip_address(parts->host)) {
                                 return fail(Errc::invalid,
                                             "must be an IP address and a port, such as 127.0.0.1:8000, "
                                             "0.0.0.0:8000 or [::1]:8000");
                               }
                               return std::string(raw);
                             });
}

Kind<std::string> json_value() {
  return {.form = "any value",
          .schema = "true",
          .read = [](const Node& node, Problems&) -> std::optional<std::string> { return to_json(node); }};
}

}  // namespace flotilla::config
