#ifndef HEADGATE_TESTS_FUZZ_SUPPORT_HPP
#define HEADGATE_TESTS_FUZZ_SUPPORT_HPP

#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/page_order.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fuzz {

namespace http = headgate::http;
namespace paging = headgate::paging;

/// Something that must always hold; if it does not, the input is a finding.
inline void require(bool holds, const char* what)
{
    if (holds)
        return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

/// As above, with what was seen instead.
inline void require(bool holds, const char* what, const std::string& seen)
{
    if (!holds)
        std::fprintf(stderr, "seen: %s\n", seen.c_str());
    require(holds, what);
}

/// Decisions read off the bytes of the fuzzer, from the front, so that seeds can be written by
/// hand. Zeros follow when they are used up.
class input {
public:
    input(const std::uint8_t* data, std::size_t size) noexcept
        : rest_{reinterpret_cast<const char*>(data), size}
    {
    }

    bool is_empty() const noexcept { return rest_.empty(); }

    std::uint8_t byte() noexcept
    {
        if (rest_.empty())
            return 0;
        const auto result = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return result;
    }

    /// Less than `count`; no byte is used up if there is no choice.
    std::size_t below(std::size_t count) noexcept { return count > 1 ? byte() % count : 0; }

    bool flag() noexcept { return below(2) == 1; }

    /// The bytes up to the next newline.
    std::string line()
    {
        const auto end = std::min(rest_.find('\n'), rest_.size());
        std::string result{rest_.substr(0, end)};
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        return result;
    }

    /// All that is left.
    std::string rest() { return std::string{std::exchange(rest_, {})}; }

private:
    std::string_view rest_;
};

/// An answer of a simulated server.
struct answer {
    int status = 200;
    http::response::fields headers{};
    nlohmann::json document{};
    std::vector<nlohmann::json> records{}; ///< to be put into it
    bool is_lost = false;                  ///< it never came
};

/// Runs a pager as `extraction_run` does, one step after the other: which page is sent, answered or
/// asked for its rest next is up to the input. Checks what a pager promises.
///
/// @tparam Server  gives an `answer` for a position and its request, if it asks for one with
///                 `needs_request()`; tells with `is_honest()` that from now on it only gives what
///                 ends a list, with `is_root()` that a body is nothing but the records
template <class Pager, class Server>
class extraction {
public:
    using position = headgate::detail::any_pager::position;

    extraction(Pager& pager, Server& server, input& in, const http::url& list)
        : pager_{std::move(pager)},
          server_{server},
          in_{in},
          list_{list},
          records_{server.is_root() ? nlohmann::json::json_pointer{}
                                    : nlohmann::json::json_pointer{"/results"}}
    {
        const std::uint8_t how = in_.byte();
        workers_ = 1 + how % most;
        ordered_ = pager_.is_ordered() || how / most % 2 == 1;
        pager_.may_overrun(workers_, ordered_);
    }

    /// @return how it ended; nothing if a page failed with which the pager could not do
    std::optional<paging::page_end> run()
    {
        for (;;) {
            plan();
            if (stopped_)
                return std::nullopt;
            if (queue_.empty() && flights_.empty())
                break;
            ++steps_;
            if (server_.is_honest())
                require(++honest_steps_ < 1000 + 16 * steps_until_honest_,
                        "an extraction from an honest server ends");
            else
                steps_until_honest_ = steps_;
            const bool is_stuck =
                std::all_of(flights_.begin(), flights_.end(),
                            [](const task& each) { return each.now == state::held_back; });
            require(!is_stuck || may_begin(), "of the pages that are held back one is decided on");
            if (may_begin() && (is_stuck || in_.flag()))
                begin();
            else
                go_on(in_.below(flights_.size()));
        }
        const auto end = pager_.end();
        require(end.has_value(), "a pager with nothing outstanding and nothing to ask has an end");
        require(!pager_.next(), "nothing is given out after the end");
        require(!end->reason().empty(), "an end has a reason");
        return end;
    }

    /// What was delivered, in this order.
    const std::vector<nlohmann::json>& got() const noexcept { return got_; }

private:
    enum class state { waiting, held_back, none, sent, came };

    struct task {
        std::uint64_t index;
        position where;
        state now = state::waiting;
        bool received = false;
        bool is_in_parts = false;
        position rest{};
        headgate::detail::record_store records{};
    };

    void plan()
    {
        call_off_waits();
        for (unsigned given = 0;; ++given) {
            require(given <= 2 * most, "next() gives a bounded number of positions");
            if (!planned_) {
                auto where = pager_.next();
                if (!where)
                    break;
                planned_.emplace(task{take_index(), std::move(where)});
                require(!ended_, "nothing is given out after the end");
            }
            if (queue_.size() == workers_)
                return;
            queue_.push_back(std::move(*planned_));
            planned_.reset();
        }
        if (pager_.end()) {
            ended_ = true;
            // What has come and was not asked for its rest yet is done with for the pager.
            const auto of_use = [this](const task& each) {
                return each.index >= valid_from_ && each.now != state::came;
            };
            require(std::none_of(queue_.begin(), queue_.end(), of_use) &&
                        std::none_of(flights_.begin(), flights_.end(), of_use),
                    "a pager with pages outstanding has no end");
        }
    }

    void call_off_waits()
    {
        for (std::size_t i = flights_.size(); i-- > 0;)
            if (flights_[i].now == state::waiting && !flights_[i].is_in_parts)
                ask_about(i);
        bool is_any_let_go = false; // another may have waited for it
        do {
            is_any_let_go = false;
            for (std::size_t i = 0; i < flights_.size();) {
                const bool was_held_back = flights_[i].now == state::held_back;
                if (was_held_back)
                    ask_about(i);
                is_any_let_go |= was_held_back && flights_[i].now != state::held_back;
                if (flights_[i].now != state::none)
                    ++i;
                else
                    go_for_rest(i);
            }
        } while (is_any_let_go);
    }

    /// Whether a page is of use now.
    void ask_about(std::size_t which)
    {
        task& each = flights_[which];
        if (pager_.wanted(each.where))
            each.now = state::waiting;
        else
            each.now = pager_.is_held_back(each.where) ? state::held_back : state::none;
    }

    /// Whether a worker is free; pages that wait for those before them take up some.
    bool may_begin() const
    {
        return !queue_.empty() && flights_.size() < workers_ &&
               flights_.size() + in_order_ < 2 * workers_;
    }

    std::uint64_t take_index()
    {
        return given_back_.empty() ? next_index_++
                                   : given_back_.extract(given_back_.begin()).value();
    }

    void begin()
    {
        const auto first =
            std::min_element(queue_.begin(), queue_.end(),
                             [](const task& a, const task& b) { return a.index < b.index; });
        flights_.push_back(std::move(*first));
        queue_.erase(first);
        ask_about(flights_.size() - 1);
        if (flights_.back().now == state::none)
            go_for_rest(flights_.size() - 1);
    }

    void go_on(std::size_t which)
    {
        while (flights_[which].now == state::held_back)
            which = (which + 1) % flights_.size();
        task& chosen = flights_[which];
        if (chosen.now == state::came)
            go_for_rest(which);
        else if (chosen.now == state::waiting && flights_.size() > 1 && in_.flag())
            chosen.now = state::sent;
        else if (take(chosen) && flights_.size() > 1 && in_.flag())
            chosen.now = state::came; // another thread comes first
        else if (!stopped_)
            go_for_rest(which);
    }

    /// Asks for a page and takes what comes of it; false if the run is over.
    bool take(task& what)
    {
        std::optional<http::request> request;
        if (server_.needs_request()) {
            try {
                request.emplace(pager_.request(what.where));
            } catch (const std::exception&) {
                return !(stopped_ = true);
            }
            require(request->url().same_origin(list_), "requests go to the list's origin");
            require(request->url().credentials() == list_.credentials(),
                    "requests have the list's user name");
        }
        const auto& where = *static_cast<const typename Pager::position*>(what.where.get());
        answer got = server_.make(where, request ? &*request : nullptr);
        if (!got.records.empty())
            got.document[records_] = std::move(got.records);
        http::response response{got.is_lost ? 0 : got.status, std::move(got.headers),
                                got.document.dump()};
        try {
            if (!got.is_lost && pager_.refused(what.where, response))
                return true;
            if (got.is_lost || got.status < 200 || got.status >= 300)
                return give_up(what);
            auto page = headgate::json_parser{}.parse(response.body(), records_);
            const std::size_t came = page.records.size();
            const paging::kept mine =
                pager_.received(what.where, paging::page_content{request ? request->url() : list_,
                                                                 response,
                                                                 page.document,
                                                                 records_,
                                                                 {response.body(), page.records}});
            require(mine.count() <= came, "no more is kept than came");
            mine.apply(page.records);
            require(mine.count() == page.records.size(), "what is kept lies within the page");
            what.rest = pager_.rest(what.where);
            require(!what.rest || !ended_ || what.index < valid_from_,
                    "nothing is missing after the end");
            what.received = true;
            what.records.append(std::move(response).body(), std::move(page.records));
        } catch (const std::exception&) {
            return give_up(what);
        }
        return true;
    }

    bool give_up(const task& what)
    {
        stopped_ =
            !pager_.failed(what.where, {headgate::outcome_code::page_failed, "cannot be had"});
        return !stopped_;
    }

    void go_for_rest(std::size_t which)
    {
        task& chosen = flights_[which];
        chosen.is_in_parts = static_cast<bool>(chosen.rest);
        if (chosen.rest) {
            chosen.where = std::move(chosen.rest);
            chosen.now = state::waiting;
            return;
        }
        if (pager_.may_come_again(chosen.where)) {
            chosen.now = state::held_back; // and is asked about in plan()
            return;
        }
        task done = std::move(chosen);
        flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(which));
        hand_over(std::move(done));
    }

    void hand_over(task&& done)
    {
        if (!ordered_) {
            if (done.now == state::none && !done.received)
                given_back_.insert(done.index);
            deliver(done);
            return;
        }
        const std::uint64_t number = done.index;
        if (number >= valid_from_)
            ++in_order_;
        order_.add(number, std::move(done));
        while (auto next = order_.next()) {
            --in_order_;
            join(*next);
        }
    }

    void join(task& next)
    {
        if (next.received) {
            std::optional<std::size_t> repeated;
            try {
                repeated = pager_.join(next.where, next.records.records());
            } catch (const std::exception&) {
                stopped_ = true;
                return;
            }
            if (!repeated) {
                order_.skip_to(next_index_);
                valid_from_ = next_index_;
                in_order_ = 0;
                planned_.reset();
                return;
            }
            require(*repeated <= next.records.size(), "no more repeats than came");
            paging::kept{*repeated, next.records.size() - *repeated}.apply(next.records.slices());
        }
        deliver(next);
    }

    void deliver(const task& done)
    {
        for (const headgate::record each : done.records.records())
            got_.push_back(each.json());
    }

    static constexpr unsigned most = 8; // workers

    headgate::detail::pager_model<Pager> pager_;
    Server& server_;
    input& in_;
    const http::url& list_;
    nlohmann::json::json_pointer records_;
    std::size_t workers_ = 1;
    bool ordered_ = false;

    std::optional<task> planned_;
    std::vector<task> queue_;
    std::vector<task> flights_;
    headgate::detail::page_order<task> order_;
    std::size_t in_order_ = 0;
    std::uint64_t next_index_ = 0;
    std::set<std::uint64_t> given_back_;
    std::uint64_t valid_from_ = 0;
    bool stopped_ = false;
    bool ended_ = false;
    std::uint64_t steps_ = 0;
    std::uint64_t honest_steps_ = 0;
    std::uint64_t steps_until_honest_ = 0;
    std::vector<nlohmann::json> got_;
};

/// A server that gives whatever the input says, until it is used up; from then on empty pages
/// without a next one.
class hostile_server {
public:
    explicit hostile_server(input& in) : in_{in}, is_root_{in.below(8) == 1} {}

    bool is_root() const noexcept { return is_root_; }
    bool is_honest() const noexcept { return in_.is_empty() || pages_ > most_pages; }
    bool needs_request() noexcept { return in_.byte() % 16 == 1; }

    /// A page for which so many records were asked.
    answer make_page(std::size_t asked)
    {
        answer result;
        if (is_honest()) {
            result.document = is_root_ ? nlohmann::json::array()
                                       : nlohmann::json{{"results", nlohmann::json::array()}};
            return result;
        }
        ++pages_;
        constexpr int statuses[] = {200, 200, 200, 200, 200, 200, 204, 404,
                                    416, 422, 410, 400, 401, 500, 302, 0};
        result.status = statuses[in_.below(std::size(statuses))];
        result.is_lost = result.status == 0;
        if (result.status != 200)
            return result;
        if (is_root_)
            result.document = nlohmann::json::array();
        else
            result.document["results"] =
                in_.below(8) == 1 ? nlohmann::json{} : nlohmann::json::array();
        if (!is_root_)
            add_total(result.document);
        add_records(result.records, asked);
        return result;
    }

    /// Any JSON value that an API may have in its place.
    nlohmann::json value()
    {
        switch (in_.below(14)) {
        case 0:
            return nullptr;
        case 1:
            return true;
        case 2:
            return false;
        case 3:
            return std::uint64_t{0xffff'ffff'ffff'ffff};
        case 4:
            return std::uint64_t{0x7fff'ffff'ffff'ffff} + in_.below(3);
        case 5:
            return -static_cast<int>(in_.byte());
        case 6:
            return 1.5 * in_.byte();
        case 7:
            return 1.2345678901234567e22;
        case 8:
            return std::string{};
        case 9:
            return nlohmann::json::array({in_.byte()});
        case 10:
            return nlohmann::json{{"id", in_.byte()}};
        case 11:
            return text();
        default:
            return in_.byte();
        }
    }

    /// A short string of any bytes that JSON can have.
    std::string text()
    {
        std::string result;
        for (std::size_t left = in_.below(8); left > 0; --left)
            result += static_cast<char>(in_.byte() & 0x7f);
        return result;
    }

private:
    static constexpr unsigned most_pages = 200;

    void add_total(nlohmann::json& document)
    {
        const std::uint8_t kind = in_.byte();
        if (kind % 4 == 1)
            document["count"] = kind / 4;
        else if (kind % 16 == 2)
            document["count"] = value();
    }

    void add_records(std::vector<nlohmann::json>& records, std::size_t asked)
    {
        const std::uint8_t kind = in_.byte();
        const std::size_t count = kind % 2 == 0 ? std::min<std::size_t>(asked, 8) : kind / 16U;
        switch (kind / 2 % 8) {
        case 0:
        case 1:
        case 2:
        case 3: // all new
            while (records.size() < count)
                records.push_back({{"id", next_id_++}});
            break;
        case 4: // the page before once more
            records = last_;
            break;
        case 5: // after a step back or forth
            next_id_ += static_cast<unsigned>(in_.below(16)) - 8;
            while (records.size() < count)
                records.push_back({{"id", next_id_++}});
            break;
        case 6:
            while (records.size() < count)
                records.push_back({{"id", value()}});
            break;
        default:
            while (records.size() < count)
                records.push_back(value());
        }
        last_ = records;
    }

    input& in_;
    bool is_root_;
    unsigned pages_ = 0;
    unsigned next_id_ = 1000;
    std::vector<nlohmann::json> last_;
};

/// Checks that a list of the records 0, 1, ... was delivered whole, each of them once.
inline void require_whole(std::size_t records, const std::vector<nlohmann::json>& got,
                          const std::optional<paging::page_end>& end)
{
    require(end.has_value(), "an honest list does not fail");
    require(end->code() == headgate::outcome_code::complete, "an honest list is complete",
            end->reason());
    std::vector<bool> seen(records);
    for (const nlohmann::json& each : got) {
        const auto id = each.at("id").get<std::size_t>();
        require(!seen.at(id), "no record is delivered twice", end->reason());
        seen[id] = true;
    }
    require(got.size() == records, "every record is delivered", end->reason());
}

/// The value of a query parameter that is a number; `otherwise` if it was not sent.
inline std::uint64_t number_in_query(const http::request& request, std::string_view name,
                                     std::uint64_t otherwise)
{
    const std::string query = request.url().query();
    for (std::string_view rest = query; !rest.empty();) {
        const auto end = std::min(rest.find('&'), rest.size());
        const std::string_view each = rest.substr(0, end);
        if (each.starts_with(name) && each.substr(name.size()).starts_with('='))
            return std::strtoull(std::string{each.substr(name.size() + 1)}.c_str(), nullptr, 10);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return otherwise;
}

/// A page of the records from `begin` up to `end`.
inline answer make_span(std::uint64_t begin, std::uint64_t end)
{
    answer result;
    result.document["results"] = nlohmann::json::array();
    for (; begin < end; ++begin)
        result.records.push_back({{"id", begin}});
    return result;
}

} // namespace fuzz

#endif
