// Descriptions (codec.hpp) of what records and snapshots have in common.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "flotilla/saga/core/codec.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/record.hpp"

namespace flotilla::saga {

template <class Fields>
void step_and_op(Fields& fields, std::uint32_t tag, std::uint8_t& step, Op* op = nullptr) {
  fields(tag, step);
  if (step > kMaxSteps - 1) {
    fields.at_most(step, static_cast<std::uint8_t>(kMaxSteps - 1));
  }
  if (op != nullptr) {
    fields(tag + 1, *op);
    fields.at_most(*op, Op::status);
  }
}

template <class Fields>
void describe(Fields& fields, SagaId& id) {
  fields(1, id.high);
  fields(2, id.low);
}
template <class Fields>
void describe(Fields& fields, Parent& parent) {
  fields(1, parent.saga);
  step_and_op(fields, 2, parent.step);
}
template <class Fields>
void describe(Fields& fields, std::pair<std::string, std::string>& header) {
  fields(1, header.first);
  fields(2, header.second);
}
template <class Fields>
void describe(Fields& fields, RenderedRequest& request) {
  fields(1, request.method);
  fields(2, request.service);
  fields(3, request.target);
  fields(4, request.headers);
  fields(5, request.body);
}
}  // namespace flotilla::saga
