#ifndef HEADGATE_DETAIL_PAGER_ADAPTOR_HPP
#define HEADGATE_DETAIL_PAGER_ADAPTOR_HPP

#include <headgate/detail/origin_guard.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headgate::detail {

/// A pager with everything that a pager may have; what this one has not does the usual thing.
template <paging::pager Pager>
class pager_adaptor {
public:
    using position = typename Pager::position;

    explicit pager_adaptor(Pager&& pager) : pager_{std::move(pager)} {}

    std::optional<position> next() { return pager_.next(); }
    http::request request(const position& where) const { return pager_.request(where); }
    std::string describe(const position& where) const { return pager_.describe(where); }
    std::optional<paging::page_end> end() const { return pager_.end(); }
    paging::kept received(const position& where, const paging::page_content& content)
    {
        return pager_.received(where, content);
    }

    std::optional<position> rest(const position& where)
    {
        if constexpr (requires { pager_.rest(where); })
            return pager_.rest(where);
        return std::nullopt;
    }

    bool wanted(const position& where)
    {
        if constexpr (requires { pager_.wanted(where); })
            return pager_.wanted(where);
        return true;
    }

    bool is_beyond(const position& where) const
    {
        if constexpr (requires { pager_.is_beyond(where); })
            return pager_.is_beyond(where);
        return false;
    }

    bool refused(const position& where, const http::response& response)
    {
        if constexpr (requires { pager_.refused(where, response); })
            return pager_.refused(where, response);
        return false;
    }

    /// Whether the pager goes on without the page.
    bool failed(const position& where, const paging::page_end& why)
    {
        if constexpr (requires { pager_.failed(where, why); }) {
            pager_.failed(where, why);
            return true;
        }
        return false;
    }

    std::optional<std::size_t> join(const position& where,
                                    const std::vector<nlohmann::json>& records)
    {
        if constexpr (requires { pager_.join(where, records); })
            return pager_.join(where, records);
        return 0;
    }

    void may_overrun(std::size_t requests, bool in_order)
    {
        if constexpr (requires { pager_.may_overrun(requests, in_order); })
            pager_.may_overrun(requests, in_order);
    }

    std::optional<paging::page_end> reached() const
    {
        if constexpr (requires { pager_.reached(); })
            return pager_.reached();
        return std::nullopt;
    }

    bool is_ordered() const
    {
        if constexpr (requires { pager_.is_ordered(); })
            return pager_.is_ordered();
        return false;
    }

    std::optional<std::uint64_t> expected() const
    {
        if constexpr (requires { pager_.expected(); })
            return pager_.expected();
        return std::nullopt;
    }

    std::uint64_t rewinds() const
    {
        if constexpr (requires { pager_.rewinds(); })
            return pager_.rewinds();
        return 0;
    }

    /// Of which list a page is.
    std::size_t list(const position& where) const
    {
        if constexpr (requires { pager_.list(where); })
            return pager_.list(where);
        return 0;
    }

    /// What decides where a page's redirects and credentials may go; null if nothing does.
    const origin_guard* guard(const position& where) const
    {
        if constexpr (requires { pager_.guard(where); })
            return &pager_.guard(where);
        else if constexpr (requires { pager_.guard(); })
            return &pager_.guard();
        return nullptr;
    }

private:
    Pager pager_;
};

} // namespace headgate::detail

#endif
