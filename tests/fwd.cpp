#include <headgate/fwd.hpp>

#if defined(ASIO_ANY_IO_EXECUTOR_HPP) || defined(BOOST_ASIO_ANY_IO_EXECUTOR_HPP) ||                \
    defined(CURLINC_CURL_H) || defined(INCLUDE_NLOHMANN_JSON_HPP_)
#error "declarations alone need none of these"
#endif

// What a header that includes only that can say.
namespace before {

using limiter = headgate::async_limiter;
using keyed = headgate::keyed_limiter<>;
using queue = headgate::work_queue<int>;
using channel = headgate::result_channel<int>;

struct sink {
    void take(const headgate::page& page);
    void end(const headgate::outcome& outcome);

    int records = 0;
    headgate::outcome_code code{};
};

class job {
public:
    job(headgate::http::client& client, limiter& tokens) : client_{&client}, tokens_{&tokens} {}

    headgate::page_stream start(const headgate::paging::offset& list,
                                const headgate::extract_options& options) const;

private:
    headgate::http::client* client_;
    limiter* tokens_;
};

std::string describe(headgate::error one, headgate::http::error other);

headgate::limit limit_of(const limiter& tokens);
headgate::permit take(limiter& tokens);
bool put(queue& to, int item);

} // namespace before

#include <headgate/headgate.hpp>

#include "support/catch.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

void before::sink::take(const headgate::page& page)
{
    for (const headgate::record& each : page.records())
        records += each.is_object() ? 1 : 0;
}

void before::sink::end(const headgate::outcome& outcome)
{
    code = outcome.code();
}

headgate::page_stream before::job::start(const headgate::paging::offset& list,
                                         const headgate::extract_options& options) const
{
    return headgate::extract(*client_, *tokens_, list, options);
}

std::string before::describe(headgate::error one, headgate::http::error other)
{
    return make_error_code(one).message() + ", " + make_error_code(other).message();
}

headgate::limit before::limit_of(const limiter& tokens)
{
    return tokens.limits().front();
}

headgate::permit before::take(limiter& tokens)
{
    auto permit = tokens.try_acquire_permit();
    return permit ? std::move(*permit) : headgate::permit{};
}

bool before::put(queue& to, int item)
{
    return to.try_push(std::move(item));
}

TEST_CASE("what was declared first is what is defined, with its default arguments")
{
    using clock = std::chrono::steady_clock;
    using executor = asio::any_io_executor;
    STATIC_REQUIRE(std::is_same_v<before::limiter, headgate::basic_async_limiter<clock, executor>>);
    STATIC_REQUIRE(
        std::is_same_v<before::keyed, headgate::basic_keyed_limiter<std::string, clock, executor,
                                                                    std::hash<std::string>>>);
    STATIC_REQUIRE(std::is_same_v<before::queue, headgate::basic_work_queue<int, clock, executor>>);
    STATIC_REQUIRE(std::is_same_v<before::channel,
                                  headgate::result_channel<int, std::exception_ptr, executor>>);
    STATIC_REQUIRE(std::is_same_v<before::limiter::executor_type, executor>);

    asio::io_context context;
    before::limiter tokens{context, headgate::limit::paced(1, std::chrono::hours{1})};
    before::queue queue{context, 1};
    CHECK(before::limit_of(tokens).count() == 1);
    const auto permit = before::take(tokens);
    CHECK(permit);
    CHECK_FALSE(before::take(tokens));
    CHECK(before::put(queue, 1));
    CHECK_FALSE(before::put(queue, 2));
    CHECK(before::describe(headgate::error::closed, headgate::http::error::timed_out)
              .find("closed, ") == 0);
}
