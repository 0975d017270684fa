#include "flotilla/events/core/declaration.hpp"

#include <array>

#include <fmt/format.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

// On disk: never reused.
constexpr std::uint32_t kState = 1;
constexpr std::uint32_t kName = 2;
constexpr std::uint32_t kText = 3;
constexpr std::uint32_t kStart = 4;
constexpr std::uint32_t kWho = 5;
constexpr std::uint32_t kWhy = 6;

std::unexpected<Error> newer(std::string_view what) {
  return fail(Errc::unsupported,
              fmt::format("the declaration of a subscription has {} of a newer version", what));
}

Result<> take(Declaration& declaration, const journal::Field& field) {
  if (!field.is_bytes) {
    if (field.tag == kState && field.number >= 1 && field.number <= kDeclarationStates) {
      declaration.state = static_cast<DeclarationState>(field.number);
      return {};
    }
    return newer(field.tag == kState ? "a state" : "a field");
  }
  std::string* const into = field.tag == kName    ? &declaration.name
                            : field.tag == kText  ? &declaration.text
                            : field.tag == kStart ? &declaration.start
                            : field.tag == kWho   ? &declaration.who
                            : field.tag == kWhy   ? &declaration.why
                                                  : nullptr;
  if (into == nullptr) {
    return newer("a field");
  }
  *into = field.bytes;
  return {};
}

}  // namespace

std::vector<journal::RecordType> declaration_record_types() {
  return {{journal::RecordClass::queue, kDeclarationRecord, 1, "declaration of a subscription"}};
}

std::string_view to_string(DeclarationState state) noexcept {
  constexpr std::array<std::string_view, kDeclarationStates + 1> names{"", "declared", "forgetting",
                                                                       "forgotten"};
  return names[static_cast<std::size_t>(state)];
}

std::string encode(const Declaration& declaration) {
  std::string body;
  journal::BodyWriter writer(body);
  writer.number(kState, static_cast<std::uint64_t>(declaration.state)).bytes(kName, declaration.name);
  for (const auto& [tag, text] : {std::pair(kText, &declaration.text), std::pair(kStart, &declaration.start),
                                  std::pair(kWho, &declaration.who), std::pair(kWhy, &declaration.why)}) {
    if (!text->empty()) {
      writer.bytes(tag, *text);
    }
  }
  return body;
}

Result<Declaration> decode_declaration(std::string_view body) {
  Declaration declaration;
  journal::BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return declaration;
    }
    if (const auto taken = take(declaration, **field); !taken) {
      return std::unexpected(taken.error());
    }
  }
}

void add_declaration(journal::Batch& batch, const Declaration& declaration,
                     std::optional<journal::StreamId> stream, std::uint64_t version) {
  using journal::RecordClass;
  const journal::StreamRef ref = stream ? journal::StreamRef(*stream) : batch.create();
  batch.appends.push_back(
      {.record_class = RecordClass::queue,
       .stream = ref,
       .expected = version,
       .records = {{.type = kDeclarationRecord, .body = encode(declaration), .category = {}}}});
  json::Value row = json::Value::object({{"name", declaration.name}, {"version", version + 1}});
  batch.summaries.push_back({.record_class = RecordClass::queue,
                             .stream = ref,
                             .name = std::string(kDeclarationRow),
                             .state = std::string(to_string(declaration.state)),
                             .attributes = json::write(row)});
  if (!stream) {
    batch.claims.push_back({.scope = std::string(kDeclarationScope), .key = declaration.name, .holder = ref});
  } else if (declaration.state == DeclarationState::forgotten) {
    batch.expiries.push_back({.scope = std::string(kDeclarationScope),
                              .key = declaration.name,
                              .holder = *stream,
                              .expires = batch.time});
  }
}

Result<DeclarationRow> read_declaration_row(std::string_view attributes) {
  const auto row = json::parse(attributes);
  const auto version = row && row->is_object() ? (*row)["version"].as_int() : std::nullopt;
  if (!version || *version < 1 || !(*row)["name"].is_string()) {
    return fail(Errc::invalid, "the row of a subscription that was declared at run time is damaged");
  }
  return DeclarationRow{.name = std::string((*row)["name"].as_string()),
                        .version = static_cast<std::uint64_t>(*version)};
}

}  // namespace flotilla::events
