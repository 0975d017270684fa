#include "flotilla/saga/core/definition_fuzz.hpp"

#include <string_view>

#include "flotilla/base/assert.hpp"
#include "flotilla/saga/core/definition_check.hpp"
#include "flotilla/saga/core/definition_json.hpp"

namespace flotilla::saga::fuzz {

void definition(std::span<const std::byte> input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const auto draft = parse_draft(text);
  if (!draft) {
    FLOTILLA_ASSERT(!parse_definition(text));
    return;
  }
  const auto checked = check_definition(*draft);
  if (!checked) {
    FLOTILLA_ASSERT(!checked.error().empty() && checked.error().size() <= kMaxFaults);
    return;
  }
  // A text that is accepted in any order of its members has one canonical form, which is accepted as it is.
  const Definition& made = *checked->definition;
  const auto again = parse_definition(made.canonical);
  FLOTILLA_ASSERT(again && (*again)->hash == made.hash && (*again)->canonical == made.canonical);
  for (std::size_t i = 0; i < made.steps.size(); ++i) {
    FLOTILLA_ASSERT(!made.steps[i].ancestors.test(i));
  }
}

}  // namespace flotilla::saga::fuzz
