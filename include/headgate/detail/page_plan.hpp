#ifndef HEADGATE_DETAIL_PAGE_PLAN_HPP
#define HEADGATE_DETAIL_PAGE_PLAN_HPP

#include <headgate/detail/page_order.hpp>
#include <headgate/detail/pager_adaptor.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace headgate::detail {

/// Which pages are to be asked for, in which order they are delivered, and when that is all: the
/// pager, the caller's cap on pages, and the order. A state machine without I/O.
///
/// @tparam Page what a worker makes of a task; has `received` and `records`
template <class Pager, class Page>
class page_plan {
public:
    struct task {
        std::uint64_t index;
        typename Pager::position where;
    };

    page_plan(Pager&& pager, std::uint64_t most_pages, bool ordered, std::size_t most_in_flight)
        : pager_{std::move(pager)},
          most_pages_{most_pages},
          ordered_{ordered || pager_.is_ordered()}
    {
        pager_.may_overrun(most_in_flight);
    }

    pager_adaptor<Pager>& pager() noexcept { return pager_; }
    const pager_adaptor<Pager>& pager() const noexcept { return pager_; }

    /// Hands what is to be asked for to `push`, which says whether there was room for it. Gives the
    /// end once there is nothing more, and all tasks are done with.
    template <class Push>
    std::optional<paging::page_end> advance(Push push)
    {
        for (;;) {
            if (!planned_) {
                auto where = pager_.next();
                if (!where)
                    return pager_.end();
                planned_.emplace(task{next_index_++, std::move(*where)});
            }
            if (planned_->index < most_pages_) {
                if (!push(std::move(*planned_)))
                    return std::nullopt;
                planned_.reset();
            } else if (is_capped()) {
                return done_ < next_index_ - 1 ? std::nullopt : std::optional{capped_end()};
            } else {
                planned_.reset();
                --next_index_;
            }
        }
    }

    /// Takes in what became of a task, and hands those whose turn it is to `deliver`.
    /// @throws what `deliver` and the pager throw
    template <class Deliver>
    void finish(task&& what, Page&& page, Deliver deliver)
    {
        ++done_;
        if (!ordered_) {
            deliver(what, std::move(page));
            return;
        }
        const std::uint64_t number = what.index;
        order_.add(number, {std::move(what), std::move(page)});
        while (auto next = order_.next())
            join(next->first, std::move(next->second), deliver);
    }

private:
    /// Whether the page that is planned is above the cap. The pages before it may yet show that
    /// there is no such page, and when they have all come what they show must do.
    bool is_capped()
    {
        if (!pager_.wanted(planned_->where))
            return false;
        if (done_ < next_index_ - 1)
            return true;
        pager_.may_overrun(1);
        return pager_.wanted(planned_->where);
    }

    paging::page_end capped_end() const
    {
        if (auto end = pager_.reached())
            return *end;
        return {outcome_code::page_cap,
                "stopped after " + std::to_string(most_pages_) + " pages, the most allowed"};
    }

    template <class Deliver>
    void join(const task& what, Page&& page, Deliver& deliver)
    {
        if (page.received) {
            const auto repeated = pager_.join(what.where, page.records);
            if (!repeated) { // the list is read again: all that was planned is void
                order_.skip_to(next_index_);
                planned_.reset();
                return;
            }
            paging::kept{*repeated, page.records.size() - *repeated}.apply(page.records);
        }
        deliver(what, std::move(page));
    }

    pager_adaptor<Pager> pager_;
    const std::uint64_t most_pages_;
    const bool ordered_;
    std::optional<task> planned_;
    std::uint64_t next_index_ = 0;
    std::uint64_t done_ = 0; // of those before it
    page_order<std::pair<task, Page>> order_;
};

} // namespace headgate::detail

#endif
