#include "flotilla/cqrs/core/row_fold.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

// Empty: none.
std::expected<std::string, std::string> name_of(std::string_view member, const expr::Program& program,
                                                const EventValues& values) {
  const std::array<json::Value, 1> variables{values.event};
  const auto result = expr::evaluate_first(program, values.data, variables);
  if (!result) {
    return std::unexpected(fmt::format("{}: {}", member, result.error().message()));
  }
  std::string name;
  if (result->is_string()) {
    name = result->as_string();
  } else if (result->is_number()) {
    name = result->number_text();
  } else if (result->is_bool()) {
    name = result->as_bool() ? "true" : "false";
  } else if (!result->is_null()) {
    return std::unexpected(fmt::format("{}: it gives an {}, and must give text, a number, a boolean, or null",
                                       member, to_string(result->kind())));
  }
  if (name.size() > journal::kMaxName) {
    return std::unexpected(
        fmt::format("{}: it gives {} bytes, the limit is {}", member, name.size(), journal::kMaxName));
  }
  return name;
}

}  // namespace

std::expected<EventValues, std::string> read_values(const journal::Event& event) {
  EventValues values;
  if (!event.data.empty()) {
    auto data = json::parse(event.data);
    if (!data) {
      return std::unexpected("the data is not JSON: " + data.error().message);
    }
    values.data = std::move(*data);
  }
  values.event = journal::event_value(event, values.data);
  return values;
}

std::expected<std::optional<journal::RowName>, std::string> place_of(const ViewDefinition& view,
                                                                     const EventValues& values) {
  if (view.native) {
    return view.native->place(values);
  }
  auto key = name_of("key", view.key, values);
  if (!key) {
    return std::unexpected(std::move(key.error()));
  }
  if (key->empty()) {
    return std::nullopt;
  }
  journal::RowName place{.key = std::move(*key), .row = {}};
  if (view.row) {
    auto row = name_of("row", *view.row, values);
    if (!row) {
      return std::unexpected(std::move(row.error()));
    }
    if (row->empty()) {
      return std::nullopt;
    }
    place.row = std::move(*row);
  }
  return place;
}

std::expected<Folded, std::string> fold_row(const ViewDefinition& view, const json::Value& so_far,
                                            const EventValues& values) {
  if (view.native) {
    return view.native->fold(so_far, values);
  }
  const std::array<json::Value, 2> variables{values.event, values.data};
  auto row = expr::evaluate_first(view.fold, so_far, variables);
  if (!row) {
    return std::unexpected("fold: " + row.error().message());
  }
  Folded folded{.row = std::move(*row), .text = {}, .beside = {}};
  if (folded.row.is_null()) {
    return folded;
  }
  folded.text = json::write(folded.row);
  if (folded.text.size() > journal::kMaxFoldRow) {
    return std::unexpected(
        fmt::format("fold: the row would have {} bytes, the limit is {}; fold by `row`, or keep less in it",
                    folded.text.size(), journal::kMaxFoldRow));
  }
  return folded;
}

}  // namespace flotilla::cqrs
