#ifndef HEADGATE_EXTRACT_OPTIONS_HPP
#define HEADGATE_EXTRACT_OPTIONS_HPP

#include <headgate/checkpoint.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/page_reader.hpp>
#include <headgate/fwd.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/page_parser.hpp>

#include HEADGATE_ASIO(awaitable.hpp)

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// How to extract. Every option has a default; setters can be chained.
class extract_options {
public:
    /// Where in the body the records stand, as a JSON Pointer (RFC 6901) to an array; "/results"
    /// unless set, "" for a body that is the array itself. Null there is an empty page. But if the
    /// body has an error at its top, as `errors` or `error`, null and an empty array are a failure
    /// which may pass.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    extract_options& records(const std::string& pointer)
    {
        records_ = detail::parse_json_pointer(pointer);
        return *this;
    }
    /// What is set, or the default.
    const nlohmann::json::json_pointer& records() const noexcept { return records_; }

    /// What reads the pages; `json_parser` unless set. `simdjson_parser` is many times faster.
    template <page_parser Parser>
    extract_options& parser(Parser reads_pages)
    {
        parse_ = [reads_pages = std::move(reads_pages)](
                     const std::string& body, const nlohmann::json::json_pointer& pointer) {
            return reads_pages.parse(body, pointer);
        };
        return *this;
    }
    /// What reads a page: its body, and where the records stand.
    const detail::page_reader::parser& parse() const noexcept { return parse_; }

    /// The most requests in flight at once; 64 unless set. As many pages may wait for the caller,
    /// so memory is bounded by this number of pages.
    /// @throws std::invalid_argument if 0 or more than 100,000.
    extract_options& max_in_flight(std::size_t requests)
    {
        if (requests == 0 || requests > 100'000)
            throw std::invalid_argument{"headgate::extract_options: max_in_flight is " +
                                        std::to_string(requests) + ", must be 1 to 100000"};
        max_in_flight_ = requests;
        return *this;
    }
    /// What is set, or the default.
    std::size_t max_in_flight() const noexcept { return max_in_flight_; }

    /// Delivers pages in the order of the list instead of as they come. A page that has come waits
    /// for those before it, in one of the places that bound memory.
    extract_options& ordered(bool on) noexcept
    {
        ordered_ = on;
        return *this;
    }
    /// What is set, or the default.
    bool ordered() const noexcept { return ordered_; }

    /// Drops records whose key, where `pointer` says, has come before. Keys are remembered in at
    /// most `most_bytes`, the newest; `extract_statistics::duplicates` counts what was dropped. A
    /// record without a key is a failure of its page.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    extract_options& unique(const std::string& pointer,
                            std::size_t most_bytes = std::size_t{64} << 20)
    {
        unique_ = detail::parse_json_pointer(pointer);
        unique_bytes_ = most_bytes;
        return *this;
    }
    /// Where the key stands; empty unless set.
    const std::optional<nlohmann::json::json_pointer>& unique() const noexcept { return unique_; }
    /// The most memory for keys, in bytes.
    std::size_t unique_bytes() const noexcept { return unique_bytes_; }

    /// Lets a server with a public address send to one with a private, loopback or link-local
    /// address, such as the metadata service of a cloud. Otherwise that is refused before there is
    /// a connection, also where the name of the list's own host comes to mean such an address.
    extract_options& allow_private_addresses(bool on) noexcept
    {
        allow_private_addresses_ = on;
        return *this;
    }
    /// What is set, or the default.
    bool allow_private_addresses() const noexcept { return allow_private_addresses_; }

    /// The most pages to ask for; if the list has more, the outcome is `outcome_code::page_cap`. An
    /// end that the last of them show is believed, though there is none left to ask for it again.
    /// No limit unless set.
    /// @throws std::invalid_argument if 0.
    extract_options& max_pages(std::uint64_t pages)
    {
        if (pages == 0)
            throw std::invalid_argument{"headgate::extract_options: max_pages is 0"};
        max_pages_ = pages;
        return *this;
    }
    /// The largest number there is unless set.
    std::uint64_t max_pages() const noexcept { return max_pages_; }

    /// How often a page is tried again after a failure that may pass: a lost connection, a timeout,
    /// a body that is cut, a status such as 500 or 503, 202 without records, and 429. 5 unless set.
    /// While no page comes, only one of those that have failed is tried again at a time, and these
    /// tries have a budget of twice as many, to which every ten good pages add one up to 100: what
    /// is in flight when a server restarts breaks no run, and one that stays down is left alone.
    /// Only requests that may be repeated are: GET and HEAD. A refusal (429) is not counted for a
    /// page as long as others come.
    extract_options& retries(unsigned times) noexcept
    {
        retries_ = times;
        return *this;
    }
    /// What is set, or the default.
    unsigned retries() const noexcept { return retries_; }

    /// The longest wait that a server may ask for with Retry-After; if it asks for more the outcome
    /// is `outcome_code::wait_too_long`, at once. 300 s unless set.
    /// @throws std::invalid_argument if negative.
    extract_options& max_wait(std::chrono::nanoseconds longest)
    {
        if (longest < longest.zero())
            throw std::invalid_argument{"headgate::extract_options: max_wait is negative"};
        max_wait_ = longest;
        return *this;
    }
    /// What is set, or the default.
    std::chrono::nanoseconds max_wait() const noexcept { return max_wait_; }

    /// Ends the run as `outcome_code::stalled` when requests have been tried for that long and no
    /// page has come. A wait that the server asks for does not count. No limit unless set: retries
    /// and timeouts end a run too.
    /// @throws std::invalid_argument if not positive.
    extract_options& stall_after(std::chrono::nanoseconds time)
    {
        if (time <= time.zero())
            throw std::invalid_argument{"headgate::extract_options: stall_after is not positive"};
        stall_after_ = time;
        return *this;
    }
    /// Empty unless set.
    std::optional<std::chrono::nanoseconds> stall_after() const noexcept { return stall_after_; }

    /// Finds the rate and the number in flight that the server allows where they are less than the
    /// caller's limits and `max_in_flight`: both start at the top and in the small, go down when
    /// the server refuses, once for each burst of refusals, and up again as it allows (additive
    /// increase, multiplicative decrease). The limiter gets its own limits back at the end.
    extract_options& adaptive(bool on) noexcept
    {
        adaptive_ = on;
        return *this;
    }
    /// What is set, or the default.
    bool adaptive() const noexcept { return adaptive_; }

    /// Lets a limit that the server tells with RateLimit-Policy take the place of the caller's,
    /// also where it is looser. Otherwise what a server tells only makes the limits tighter.
    extract_options& trust_server(bool on) noexcept
    {
        trust_server_ = on;
        return *this;
    }
    /// What is set, or the default.
    bool trust_server() const noexcept { return trust_server_; }

    /// Repeats requests after a failure whatever their method. Otherwise only GET and HEAD are.
    extract_options& repeat_any_method(bool on) noexcept
    {
        repeat_any_method_ = on;
        return *this;
    }
    /// What is set, or the default.
    bool repeat_any_method() const noexcept { return repeat_any_method_; }

    /// Says which answers mean "too many" beyond those that say so by their status: 429, 503 with
    /// Retry-After, 403 with Retry-After or with a limit that has nothing left. For an API that
    /// throttles inside a 200. Called from any thread of the limiter's executor, for every answer.
    extract_options& throttled_if(std::function<bool(const http::response&)> is_throttled)
    {
        throttled_if_ = std::move(is_throttled);
        return *this;
    }
    /// Empty unless set.
    const std::function<bool(const http::response&)>& throttled_if() const noexcept
    {
        return throttled_if_;
    }

    /// Called for each request before it is sent, also for each retry, to add what changes during
    /// a run, such as a token. Called by one worker at a time, and not for requests to another
    /// origin than the list's.
    extract_options& prepare(std::function<void(http::request&)> add)
    {
        prepare_ = std::move(add);
        return *this;
    }
    /// Empty unless set.
    const std::function<void(http::request&)>& prepare() const noexcept { return prepare_; }

    /// Called when the server answers 401, to get the credentials that `prepare` then adds. It is
    /// called once however many requests are refused; they are sent again when it is done. If it
    /// throws, or what was sent after it is answered 401 again, the page has failed.
    /// `prepare` may be called for other requests meanwhile: what the two share needs a lock where
    /// the executor has several threads.
    extract_options& refresh(std::function<asio::awaitable<void>()> get_credentials)
    {
        refresh_ = std::move(get_credentials);
        return *this;
    }
    /// Empty unless set.
    const std::function<asio::awaitable<void>()>& refresh() const noexcept { return refresh_; }

    /// Is told what the run does; see `observer`, which has its rules. Where none is set it costs
    /// one check for each event.
    extract_options& observe(std::shared_ptr<observer> sees)
    {
        observer_ = std::move(sees);
        return *this;
    }
    /// Null unless set.
    const std::shared_ptr<observer>& observe() const noexcept { return observer_; }

    /// Keeps there what a run needs to go on where this one was stopped, crashed or was killed, and
    /// goes on from what it finds. A page is done with when the caller asks for the next, or, if
    /// `by_hand`, when it is handed to `page_stream::acknowledge`; no record of it is delivered
    /// again. What was spent of the limit, and a pause that the server has asked for, count in the
    /// next run, too.
    ///
    /// It is saved when the caller asks for a page and none waits, and else ten times a second; by
    /// hand each time. The list, the style of paging and these options are to be the same in the
    /// next run; `sqlite::checkpoint` sees to that by the name of the job. `max_pages` counts anew.
    /// @param where    used by one run at a time
    /// @param by_hand  pages are done with only when the caller says so
    extract_options& checkpoint(std::shared_ptr<headgate::checkpoint> where, bool by_hand = false)
    {
        checkpoint_ = std::move(where);
        acknowledged_by_hand_ = by_hand;
        return *this;
    }
    /// Null unless set.
    const std::shared_ptr<headgate::checkpoint>& checkpoint() const noexcept { return checkpoint_; }
    /// Whether pages are done with only when the caller says so.
    bool acknowledged_by_hand() const noexcept { return acknowledged_by_hand_; }

private:
    nlohmann::json::json_pointer records_{"/results"};
    detail::page_reader::parser parse_ =
        [](const std::string& body, const nlohmann::json::json_pointer& pointer) {
            return json_parser{}.parse(body, pointer);
        };
    unsigned retries_ = 5;
    bool ordered_ = false;
    bool allow_private_addresses_ = false;
    std::optional<nlohmann::json::json_pointer> unique_;
    std::size_t unique_bytes_ = 0;
    bool adaptive_ = false;
    bool trust_server_ = false;
    bool repeat_any_method_ = false;
    std::optional<std::chrono::nanoseconds> stall_after_;
    std::function<bool(const http::response&)> throttled_if_;
    std::function<void(http::request&)> prepare_;
    std::function<asio::awaitable<void>()> refresh_;
    std::shared_ptr<observer> observer_;
    std::shared_ptr<headgate::checkpoint> checkpoint_;
    bool acknowledged_by_hand_ = false;
    std::chrono::nanoseconds max_wait_ = std::chrono::seconds{300};
    std::size_t max_in_flight_ = 64;
    std::uint64_t max_pages_ = std::numeric_limits<std::uint64_t>::max();
};

} // namespace HEADGATE_NAMESPACE

#endif
