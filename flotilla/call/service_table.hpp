// The services of one configuration, as one worker finds them by name.
//
// Ownership: a table is part of a worker's configuration snapshot; it shares the instance sets with the
// table before it, so connections survive a reload. Threads: the worker's.
// Limits: as many services as the file names.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "flotilla/call/instance_set.hpp"
#include "flotilla/call/service.hpp"

namespace flotilla::call {

struct WorkerService {
  std::shared_ptr<Service> service;
  std::shared_ptr<InstanceSet> instances;
  ServiceCounters* counters = nullptr;  // of this worker
};

class ServiceTable {
 public:
  void add(WorkerService service) {
    const ServiceName name = service.service->name();
    services_.insert_or_assign(name, std::make_unique<WorkerService>(std::move(service)));
  }
  // Valid as long as the table; nullptr for a name the file does not know.
  [[nodiscard]] WorkerService* find(const ServiceName& name) const {
    const auto found = services_.find(name);
    return found == services_.end() ? nullptr : found->second.get();
  }
  [[nodiscard]] auto begin() const { return services_.begin(); }
  [[nodiscard]] auto end() const { return services_.end(); }

 private:
  std::unordered_map<ServiceName, std::unique_ptr<WorkerService>> services_;
};

}  // namespace flotilla::call
