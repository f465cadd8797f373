#ifndef HEADGATE_PAGING_PARTITIONS_HPP
#define HEADGATE_PAGING_PARTITIONS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::paging {

/// Many lists side by side under one limiter, such as one for each day or each customer. Where each
/// page names the next, this is what fills the limit.
///
/// Lists take turns, a page each. One that fails does not stop the others; the outcome is that of
/// the first list, in the order they were added, that is not complete. `page::list` tells which
/// list a page is of.
template <pager Pager>
class partitions {
public:
    /// A page of one of the lists.
    class position {
    public:
        /// A page of the list with that index.
        position(std::size_t list, typename Pager::position where)
            : list_{list}, where_{std::move(where)}
        {
        }

        /// The index of the list, in the order they were added.
        std::size_t list() const noexcept { return list_; }
        /// Which page of it, as its own pager says it.
        const typename Pager::position& where() const noexcept { return where_; }

    private:
        std::size_t list_;
        typename Pager::position where_;
    };

    /// One more list.
    /// @param name  of the list, for messages, and to know it again in a run that goes on from
    ///              another: then no two may have the same
    /// @param list  knows its pages
    /// @throws std::invalid_argument if its pages must come in order, as with a seam check.
    partitions& add(std::string name, Pager list)
    {
        if constexpr (requires { list.is_ordered(); })
            if (list.is_ordered())
                throw std::invalid_argument{"headgate::paging::partitions: \"" + name +
                                            "\" must be read in order, which many lists side by "
                                            "side are not"};
        parts_.push_back({std::move(name), std::move(list), std::nullopt});
        return *this;
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    std::optional<position> next()
    {
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            const std::size_t turn = (turn_ + i) % parts_.size();
            if (parts_[turn].failure)
                continue;
            if (auto where = parts_[turn].list.next()) {
                turn_ = turn + 1;
                return position{turn, std::move(*where)};
            }
        }
        return std::nullopt;
    }

    http::request request(const position& where) const { return of(where).request(where.where()); }

    std::string describe(const position& where) const
    {
        return parts_[where.list()].name + ", " + of(where).describe(where.where());
    }

    kept received(const position& where, const page_content& content)
    {
        return of(where).received(where.where(), content);
    }

    bool wanted(const position& where)
    {
        if constexpr (requires(Pager & p) { p.wanted(where.where()); })
            return of(where).wanted(where.where());
        return true;
    }

    bool is_held_back(const position& where) const
    {
        if constexpr (requires(const Pager& p) { p.is_held_back(where.where()); })
            return of(where).is_held_back(where.where());
        return false;
    }

    bool may_come_again(const position& where) const
    {
        if constexpr (requires(const Pager& p) { p.may_come_again(where.where()); })
            return of(where).may_come_again(where.where());
        return false;
    }

    std::optional<position> rest(const position& where)
    {
        if constexpr (requires(Pager & p) { p.rest(where.where()); })
            if (auto rest = of(where).rest(where.where()))
                return position{where.list(), std::move(*rest)};
        return std::nullopt;
    }

    bool refused(const position& where, const http::response& response)
    {
        if constexpr (requires(Pager & p) { p.refused(where.where(), response); })
            return of(where).refused(where.where(), response);
        return false;
    }

    void failed(const position& where, page_end why)
    {
        if constexpr (requires(Pager & p) { p.failed(where.where(), why); })
            of(where).failed(where.where(), std::move(why));
        else
            parts_[where.list()].failure = std::move(why);
    }

    bool is_beyond(const position& where) const
    {
        if constexpr (requires(const Pager& p) { p.is_beyond(where.where()); })
            return of(where).is_beyond(where.where());
        return false;
    }

    void may_overrun(std::size_t requests, bool in_order)
    {
        for (part& each : parts_)
            if constexpr (requires { each.list.may_overrun(requests, in_order); })
                each.list.may_overrun(requests, in_order);
    }

    std::optional<std::uint64_t> expected() const
    {
        std::uint64_t sum = 0;
        for (const part& each : parts_) {
            std::optional<std::uint64_t> one;
            if constexpr (requires(const Pager& p) { p.expected(); })
                one = each.list.expected();
            if (!one)
                return std::nullopt;
            sum += *one;
        }
        return sum;
    }

    std::size_t list(const position& where) const noexcept { return where.list(); }

    nlohmann::json receipt(const position& where) const
        requires requires(const Pager& p) { p.receipt(where.where()); }
    {
        const std::string& name = parts_[where.list()].name;
        if (std::count_if(parts_.begin(), parts_.end(),
                          [&](const part& each) { return each.name == name; }) > 1)
            throw std::runtime_error{"two lists are called \"" + name +
                                     "\", which a run with a checkpoint cannot tell apart"};
        nlohmann::json one = of(where).receipt(where.where());
        if (one.is_null())
            return nullptr;
        return {{"list", name}, {"receipt", std::move(one)}};
    }

    static void merge(nlohmann::json& progress, const nlohmann::json& receipt)
    {
        Pager::merge(progress[receipt.at("list").get<std::string>()], receipt.at("receipt"));
    }

    void resume(const nlohmann::json& progress)
    {
        for (part& each : parts_)
            if (progress.contains(each.name))
                each.list.resume(progress.at(each.name));
    }

    bool is_delivered(const position& where) const
    {
        if constexpr (requires(const Pager& p) { p.is_delivered(where.where()); })
            return of(where).is_delivered(where.where());
        return false;
    }

    const detail::origin_guard& guard(const position& where) const
        requires requires(const Pager& p) { p.guard(); }
    {
        return of(where).guard();
    }

    std::optional<page_end> end() const
    {
        std::optional<page_end> first;
        for (const part& each : parts_) {
            const std::optional<page_end> end = each.failure ? each.failure : each.list.end();
            if (!end)
                return std::nullopt;
            if (!first && end->code() != outcome_code::complete)
                first = page_end{end->code(), each.name + ": " + end->reason()};
        }
        return first ? first
                     : page_end{outcome_code::complete,
                                "all " + std::to_string(parts_.size()) + " lists complete"};
    }
    /// @}

private:
    struct part {
        std::string name;
        Pager list;
        std::optional<page_end> failure;
    };

    Pager& of(const position& where) { return parts_[where.list()].list; }
    const Pager& of(const position& where) const { return parts_[where.list()].list; }

    std::vector<part> parts_;
    std::size_t turn_ = 0;
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
