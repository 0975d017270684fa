// What the file says of personal data in topics.
//
//   topics:
//     order.created: { personal: { subject: .user_id, fields: [.email, .address] } }
//
// For: the reader of topics, which checks it with the rest of a topic; `app`, which hands it to the erasure.
// Ownership: values. Threads: any. Limits: kMaxPersonalFields.
#pragma once

#include <map>
#include <string>

#include "flotilla/config/spec.hpp"
#include "flotilla/journal/core/personal.hpp"

namespace flotilla::events {

// How a topic's `personal` is written.
[[nodiscard]] config::Kind<journal::PersonalFields> personal_kind();

// Of all topics of the file, which were read without problems.
[[nodiscard]] std::map<std::string, journal::PersonalFields, std::less<>> read_personal_topics(
    const config::Node& topics);

}  // namespace flotilla::events
