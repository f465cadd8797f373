#ifndef HEADGATE_TESTS_SUPPORT_SIMULATED_JOB_HPP
#define HEADGATE_TESTS_SUPPORT_SIMULATED_JOB_HPP

#include <headgate/extract.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/testing/simulated_api.hpp>

#include "support/run.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace support {

/// An extraction from a simulated API in virtual time; `answer` may take the API's place.
struct simulated_job {
    explicit simulated_job(const headgate::testing::simulated_api_options& server,
                           const std::vector<headgate::limit>& limits)
        : api{context, server}, limiter{context, limits}
    {
        api.intercept([this](const headgate::http::request& what, std::chrono::nanoseconds now) {
            arrivals.push_back(std::chrono::duration<double>(now).count());
            return answer ? answer(what) : std::nullopt;
        });
    }

    headgate::outcome run(const headgate::extract_options& options = {})
    {
        return run(list(), options);
    }

    template <headgate::paging::pager Pager>
    headgate::outcome run(Pager pager, const headgate::extract_options& options = {})
    {
        stream.emplace(headgate::extract(api, limiter, std::move(pager), options));
        auto read = [this]() -> asio::awaitable<void> {
            while (auto page = co_await stream->next())
                for (const auto record : page->records())
                    got.push_back(record.json());
        };
        asio::co_spawn(context, read, rethrow);
        virtual_clock::run(context);
        return stream->outcome();
    }

    /// The simulated API's list by offset.
    static headgate::paging::offset list()
    {
        return headgate::paging::offset{
            headgate::http::request{headgate::testing::simulated_api::url}};
    }

    struct fresh_time {
        fresh_time() { virtual_clock::reset(); }
    } fresh;
    asio::io_context context;
    headgate::testing::simulated_api api;
    support::limiter limiter;
    std::function<std::optional<headgate::http::response>(const headgate::http::request&)> answer;
    std::vector<double> arrivals;
    std::vector<nlohmann::json> got;
    std::optional<headgate::page_stream> stream;
};

} // namespace support

#endif
