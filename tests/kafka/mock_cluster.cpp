// A Kafka cluster without Kafka: librdkafka's mock brokers in a process of their own, for the end-to-end
// tests.
//
//   kafka_mock_cluster [BROKERS]    prints the bootstrap addresses, then obeys lines of stdin until it ends:
//     topic NAME PARTITIONS         makes a topic
//     down ID | up ID               a broker goes away, and comes back
//     refuse COUNT                  so many Produce requests are answered MSG_SIZE_TOO_LARGE
//     fail COUNT                    ... with an error that passes
//   each line is answered by "ok" or "error ...".
#include <array>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

namespace {

constexpr std::int16_t kProduce = 0;  // the number of that request in Kafka's protocol

std::string obey(rd_kafka_mock_cluster_t* cluster, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string name;
  int number = 0;
  words >> verb;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (verb == "topic" && words >> name >> number) {
    error = rd_kafka_mock_topic_create(cluster, name.c_str(), number, 1);
  } else if (verb == "down" && words >> number) {
    error = rd_kafka_mock_broker_set_down(cluster, number);
  } else if (verb == "up" && words >> number) {
    error = rd_kafka_mock_broker_set_up(cluster, number);
  } else if ((verb == "refuse" || verb == "fail") && words >> number) {
    const std::vector<rd_kafka_resp_err_t> errors(
        static_cast<std::size_t>(number),
        verb == "refuse" ? RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE : RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    rd_kafka_mock_push_request_errors_array(cluster, kProduce, errors.size(), errors.data());
  } else {
    return "error unknown: " + line;
  }
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? "ok" : std::string("error ") + rd_kafka_err2str(error);
}

}  // namespace

int main(int argc, char** argv) {
  const int brokers = argc > 1 ? std::atoi(argv[1]) : 1;
  std::array<char, 512> why{};
  rd_kafka_t* const client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why.data(), why.size());
  rd_kafka_mock_cluster_t* const cluster =
      client == nullptr ? nullptr : rd_kafka_mock_cluster_new(client, brokers);
  if (cluster == nullptr) {
    std::cerr << "no mock cluster: " << why.data() << "\n";
    return 1;
  }
  std::cout << rd_kafka_mock_cluster_bootstraps(cluster) << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << obey(cluster, line) << std::endl;
  }
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(client);
  return 0;
}
