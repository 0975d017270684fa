#include "flotilla/events/personal_config_reader.hpp"

#include <fmt/format.h>

namespace flotilla::events {
namespace {

using config::Node;
using config::Problems;
using journal::FieldPath;
using journal::PersonalFields;

config::Kind<FieldPath> path() {
  return {.form = "a path of members such as .customer.email",
          .schema = R"({"type":"string","pattern":"^([.][A-Za-z0-9_]+)+$"})",
          .read = [](const Node& node, Problems& problems) -> std::optional<FieldPath> {
            const std::string* const text =
                config::scalar(node, "a path of members such as .email", problems);
            if (text == nullptr) {
              return std::nullopt;
            }
            auto path = journal::parse_field_path(*text);
            if (!path) {
              problems.add(node.place, path.error().message);
              return std::nullopt;
            }
            return *std::move(path);
          }};
}

void set_fields(PersonalFields& personal, std::vector<FieldPath> fields, const Node& node,
                Problems& problems) {
  if (fields.empty() || fields.size() > journal::kMaxPersonalFields) {
    problems.add(node.place, fmt::format("1 to {} fields can be personal", journal::kMaxPersonalFields));
  }
  personal.fields = std::move(fields);
}

}  // namespace

config::Kind<PersonalFields> personal_kind() {
  config::Spec<PersonalFields> s("what is personal in an event's data");
  s.field("subject", path(), &PersonalFields::subject, "whom it is about: an id, which stays readable");
  s.field_with<std::vector<FieldPath>>(
      "fields", config::list_of(path()), &set_fields,
      "what is null once the subject is erased; on disk it is sealed under the subject's key");
  s.required("subject").required("fields");
  return s.kind();
}

std::map<std::string, PersonalFields, std::less<>> read_personal_topics(const Node& topics) {
  std::map<std::string, PersonalFields, std::less<>> personal;
  const auto kind = personal_kind();
  for (const Node::Entry& entry : topics.entries) {
    Problems known;  // read_topics() has told them
    if (const Node* const node = entry.value.find("personal")) {
      if (auto fields = kind.read(*node, known)) {
        personal.emplace(entry.key, *std::move(fields));
      }
    }
  }
  return personal;
}

}  // namespace flotilla::events
