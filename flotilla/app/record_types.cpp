#include "flotilla/app/record_types.hpp"

#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/events/core/dead_letter_item.hpp"
#include "flotilla/events/core/declaration.hpp"
#include "flotilla/events/core/queue_item.hpp"
#include "flotilla/events/core/topic_deletion.hpp"
#include "flotilla/saga/core/saga_batch.hpp"

namespace flotilla::app {

journal::Vocabulary record_types() {
  journal::Vocabulary all = saga::saga_vocabulary();
  all.add(events::letter_record_types());
  all.add(events::topic_record_types());
  all.add(events::declaration_record_types());
  all.add(events::queue_record_types());
  all.add(cqrs::command_record_types());
  return all;
}

}  // namespace flotilla::app
