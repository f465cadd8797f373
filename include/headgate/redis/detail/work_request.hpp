#ifndef HEADGATE_REDIS_DETAIL_WORK_REQUEST_HPP
#define HEADGATE_REDIS_DETAIL_WORK_REQUEST_HPP

#include <headgate/detail/config.hpp>
#include <headgate/redis/detail/work_book.hpp>
#include <headgate/redis/detail/work_scripts.hpp>
#include <headgate/redis/work_item.hpp>
#include <headgate/redis/work_stream_statistics.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// One step that is asked of Redis, again and again until there is an answer.
struct work_request {
    explicit work_request(work_step what) : step{what} {}

    work_step step;
    std::vector<std::string> arguments{}; ///< behind the prelude
    std::string item{};                   ///< the id of the item that it is about, if any
    std::size_t deliveries = 0;           ///< of that item
    bool ends = false;                    ///< the item is no longer held after it
    std::string noted{};                  ///< as what it is noted as done
};

inline void add_fields(std::vector<std::string>& arguments, const redis::work_fields& fields)
{
    arguments.push_back(std::to_string(2 * fields.size()));
    for (const auto& [name, value] : fields) {
        arguments.push_back(name);
        arguments.push_back(value);
    }
}

inline work_request about_item(work_step step, const std::string& id, std::size_t deliveries)
{
    work_request result{step};
    result.item = id;
    result.deliveries = deliveries;
    result.arguments = {id, std::to_string(deliveries)};
    return result;
}

/// `generation` is for the case that it is the first.
inline work_request seed_request(std::string job, bool close, std::string generation,
                                 const std::vector<std::string>& items)
{
    work_request result{work_step::seed};
    result.arguments = {std::move(job), close ? "1" : "0", std::move(generation)};
    add_list(result.arguments, items);
    return result;
}

/// What it is noted as is put in front when it is asked for.
inline work_request push_request(const std::vector<std::string>& items)
{
    work_request result{work_step::push};
    add_list(result.arguments, items);
    return result;
}

inline work_request acknowledge_request(const redis::work_item& item,
                                        const redis::work_fields& fields,
                                        const std::vector<std::string>& follow_ups)
{
    auto result = about_item(work_step::acknowledge, item.id(), item.deliveries());
    result.ends = true;
    result.noted = item.id() + '/' + std::to_string(item.deliveries());
    add_fields(result.arguments, fields);
    add_list(result.arguments, follow_ups);
    return result;
}

inline work_request update_request(const redis::work_item& item, std::string payload,
                                   const redis::work_fields& fields)
{
    auto result = about_item(work_step::update, item.id(), item.deliveries());
    result.arguments.push_back(std::move(payload));
    add_fields(result.arguments, fields);
    return result;
}

/// `how` is what the script knows: fail, reject or release.
inline work_request return_request(const std::string& id, std::size_t deliveries,
                                   std::size_t max_deliveries, std::string how, std::string reason)
{
    auto result = about_item(work_step::give_back, id, deliveries);
    result.ends = true;
    result.noted = id + '/' + std::to_string(deliveries);
    result.arguments.push_back(std::to_string(max_deliveries));
    result.arguments.push_back(std::move(how));
    result.arguments.push_back(std::move(reason));
    return result;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
