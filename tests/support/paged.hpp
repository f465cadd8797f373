#ifndef HEADGATE_TESTS_SUPPORT_PAGED_HPP
#define HEADGATE_TESTS_SUPPORT_PAGED_HPP

#include <headgate/http/response.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// Runs a pager as an extraction does, against a server that is a function; in any order if told
/// so.
template <class Pager>
class paged {
public:
    using position = typename Pager::position;
    using server = std::function<headgate::http::response(const headgate::http::request&)>;

    paged(Pager& pager, server answer, std::string records = "/results")
        : pager_{pager}, answer_{std::move(answer)}, records_{std::move(records)}
    {
    }

    std::size_t most_at_once = 16;
    std::size_t allowed_at_once = 0; // if a limit holds some back
    bool shuffled = false;
    std::size_t requests = 0;
    std::vector<nlohmann::json> got{};

    std::optional<headgate::paging::page_end> run()
    {
        if constexpr (requires { pager_.may_overrun(most_at_once, false); })
            pager_.may_overrun(std::max(most_at_once, allowed_at_once), false);
        std::deque<position> asked;
        for (;;) {
            while (asked.size() < most_at_once) {
                auto next = pager_.next();
                if (!next)
                    break;
                if (wanted(*next))
                    asked.push_back(std::move(*next));
            }
            if (asked.empty())
                return pager_.end();
            if (pager_.end())
                throw std::logic_error{"the pager ended with pages still out"};
            if (++requests > 100'000)
                throw std::logic_error{"the pager does not end"};
            const std::size_t chosen = shuffled ? random_() % asked.size() : 0;
            const position where = std::move(asked[chosen]);
            asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(chosen));
            receive(where);
        }
    }

private:
    bool wanted(const position& where)
    {
        if constexpr (requires { pager_.wanted(where); })
            return pager_.wanted(where);
        return true;
    }

    void receive(position where)
    {
        for (;;) {
            const headgate::http::request request = pager_.request(where);
            const headgate::http::response response = answer_(request);
            if constexpr (requires { pager_.refused(where, response); })
                if (pager_.refused(where, response))
                    return;
            if (response.status() >= 300) {
                fail(where, response.status());
                return;
            }
            auto page = headgate::json_parser{}.parse(response.body(), records_);
            const headgate::record_range records{response.body(), page.records};
            const headgate::paging::kept mine =
                pager_.received(where, {request.url(), response, page.document, records_, records});
            mine.apply(page.records);
            for (const auto each : headgate::record_range{response.body(), page.records})
                got.push_back(each.json());
            if constexpr (requires { pager_.rest(where); }) {
                if (auto rest = pager_.rest(where)) {
                    where = std::move(*rest);
                    ++requests;
                    continue;
                }
            }
            return;
        }
    }

    void fail(const position& where, int status)
    {
        const std::string why = pager_.describe(where) + ": status " + std::to_string(status);
        if constexpr (requires(headgate::paging::page_end e) { pager_.failed(where, e); })
            pager_.failed(where, {headgate::outcome_code::page_failed, why});
        else
            throw std::runtime_error{why};
    }

    Pager& pager_;
    server answer_;
    nlohmann::json::json_pointer records_;
    std::mt19937_64 random_{1};
};

/// A query parameter as it was sent; empty if it was not.
inline std::string parameter(const headgate::http::request& request, const std::string& name)
{
    const std::string query = '&' + request.url().query() + '&';
    const auto begin = query.find('&' + name + '=');
    if (begin == std::string::npos)
        return {};
    const auto value = begin + name.size() + 2;
    return query.substr(value, query.find('&', value) - value);
}

} // namespace support

#endif
