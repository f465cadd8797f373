#ifndef HEADGATE_DETAIL_PAGE_PLAN_HPP
#define HEADGATE_DETAIL_PAGE_PLAN_HPP

#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/page_order.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Which pages are to be asked for, in which order they are delivered, and when that is all: the
/// pager, the caller's cap on pages, and the order. A state machine without I/O.
///
/// @tparam Page what a worker makes of a task; has `received` and `records`
template <class Page>
class page_plan {
public:
    struct task {
        std::uint64_t index;
        any_pager::position where;
    };

    page_plan(std::unique_ptr<any_pager> pager, std::uint64_t most_pages, bool ordered,
              std::size_t most_in_flight)
        : pager_{std::move(pager)},
          most_pages_{most_pages},
          ordered_{ordered || pager_->is_ordered()}
    {
        pager_->may_overrun(most_in_flight, ordered_);
    }

    any_pager& pager() noexcept { return *pager_; }
    const any_pager& pager() const noexcept { return *pager_; }

    /// Makes ready what is to be asked for, and calls `announce` for each task that is, which says
    /// whether there was room for it. Gives the end once there is nothing more, and all tasks are
    /// done with.
    template <class Announce>
    std::optional<paging::page_end> advance(Announce announce)
    {
        for (;;) {
            if (!planned_) {
                // What is above the cap is asked for last: it may have a place below it by then.
                if (given_back_.empty() && next_index_ >= most_pages_ && !is_idle())
                    return std::nullopt;
                auto where = pager_->next();
                if (!where)
                    return is_idle() ? pager_->end() : std::nullopt;
                planned_.emplace(task{take_index(), std::move(where)});
            }
            if (planned_->index < most_pages_) {
                if (!announce())
                    return std::nullopt;
                ready_.emplace(planned_->index, std::move(planned_->where));
                planned_.reset();
                ++out_;
            } else if (pager_->is_beyond(planned_->where)) {
                forget_planned(); // above the cap, but there is no such page
            } else {
                return is_idle() ? std::optional{capped_end()} : std::nullopt;
            }
        }
    }

    /// The first in the list of the tasks that are ready: one for each that was announced. A task
    /// that was given back, and is ready again, has its place before those behind it.
    task take()
    {
        auto first = ready_.extract(ready_.begin());
        return {first.key(), std::move(first.mapped())};
    }

    /// Takes in what became of a task, and hands those whose turn it is to `deliver`.
    /// @throws std::runtime_error that names the page, for what `deliver` and the pager throw
    template <class Deliver>
    void finish(task&& what, Page&& page, Deliver deliver)
    {
        --out_;
        if (!ordered_) {
            named(what, [&] { deliver(what, std::move(page)); });
            return;
        }
        const std::uint64_t number = what.index;
        order_.add(number, {std::move(what), std::move(page)});
        while (auto next = order_.next())
            named(next->first, [&] { join(next->first, std::move(next->second), deliver); });
    }

    /// Takes back a task that was not wanted. The pager may plan its page again, in the same place.
    /// In the order of the list it never does: those behind it need not wait for the page.
    template <class Deliver>
    void give_back(task&& what, Page&& page, Deliver deliver)
    {
        if (ordered_) {
            finish(std::move(what), std::move(page), deliver);
            return;
        }
        --out_;
        given_back_.insert(what.index);
    }

    /// No task will be done with any more: pages that wait for others before them will not be
    /// delivered.
    void abandon() noexcept { order_.clear(); }

private:
    template <class Function>
    void named(const task& what, Function function) const
    {
        try {
            function();
        } catch (const std::exception& e) {
            throw std::runtime_error{pager_->title(what.where) + e.what()};
        }
    }

    bool is_idle() const noexcept { return out_ == 0; }

    std::uint64_t take_index()
    {
        if (given_back_.empty())
            return next_index_++;
        return given_back_.extract(given_back_.begin()).value();
    }

    void forget_planned()
    {
        pager_->wanted(planned_->where); // says that it is not
        given_back_.insert(planned_->index);
        planned_.reset();
    }

    paging::page_end capped_end() const
    {
        if (auto end = pager_->reached())
            return *end;
        return {outcome_code::page_cap,
                "stopped after " + std::to_string(most_pages_) + " pages, the most allowed"};
    }

    template <class Deliver>
    void join(const task& what, Page&& page, Deliver& deliver)
    {
        if (page.received) {
            const auto repeated = pager_->join(what.where, page.records.records());
            if (!repeated) { // the list is read again: all that was planned is void
                planned_.reset();
                given_back_.clear();
                order_.skip_to(next_index_);
                return;
            }
            paging::kept{*repeated, page.records.size() - *repeated}.apply(page.records.slices());
        }
        deliver(what, std::move(page));
    }

    std::unique_ptr<any_pager> pager_;
    const std::uint64_t most_pages_;
    const bool ordered_;
    std::optional<task> planned_;
    std::uint64_t next_index_ = 0;
    std::map<std::uint64_t, any_pager::position> ready_;
    std::uint64_t out_ = 0; // tasks that were announced and are not done with
    std::set<std::uint64_t> given_back_;
    page_order<std::pair<task, Page>> order_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
