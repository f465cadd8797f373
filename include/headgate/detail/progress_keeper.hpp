#ifndef HEADGATE_DETAIL_PROGRESS_KEEPER_HPP
#define HEADGATE_DETAIL_PROGRESS_KEEPER_HPP

#include <headgate/checkpoint.hpp>
#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/limit_json.hpp>
#include <headgate/limit.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Which of the pages that were delivered are done with, and when that is saved. A state machine
/// with time handed in; does nothing where there is no checkpoint.
class progress_keeper {
public:
    using time = std::chrono::nanoseconds;

    explicit progress_keeper(std::shared_ptr<checkpoint> where) : where_{std::move(where)} {}

    explicit operator bool() const noexcept { return where_ != nullptr; }

    /// What was kept, of which the pager takes what is its own.
    /// @throws std::invalid_argument if the pager cannot go on from anywhere, what the checkpoint
    ///         throws, and std::runtime_error if what was kept is not understood
    checkpoint::state load(any_pager& pager, const std::vector<limit>& limits)
    {
        wants_answers_ = std::any_of(limits.begin(), limits.end(), [](const limit& each) {
            return each.type() == limit::kind::window && each.slack() > each.period() / 10;
        });
        if (!pager.keeps_progress())
            throw std::invalid_argument{"headgate::extract: there is a checkpoint, but this pager "
                                        "has no receipt, merge and "
                                        "resume, so that no run can go on from one"};
        checkpoint::state found = where_->load(lookback(limits));
        if (found.progress.empty())
            return found;
        try {
            const nlohmann::json kept = nlohmann::json::parse(found.progress);
            if (kept.at("format") != format)
                throw std::runtime_error{"it was written by another version of headgate"};
            pages_ = kept.at("pages");
            if (kept.contains("limits"))
                limits_ = kept.at("limits");
            if (!pages_.is_null())
                pager.resume(pages_);
        } catch (const std::exception& e) {
            throw std::runtime_error{
                std::string{"headgate::extract: what the checkpoint has is not "
                            "understood: "} +
                e.what()};
        }
        return found;
    }

    /// The limits that the server has told of a run before, if the caller's are what they were.
    std::optional<std::vector<limit>> told_limits(const std::vector<limit>& callers) const
    {
        if (limits_.is_null() || limits_.at("callers") != write_limits(callers))
            return std::nullopt;
        return read_limits(limits_.at("told"));
    }
    void tell_limits(const std::vector<limit>& callers, const std::vector<limit>& told)
    {
        limits_ = {{"callers", write_limits(callers)}, {"told", write_limits(told)}};
        is_changed_ = true;
    }

    /// A request is sent. Gives a number for `answered`.
    std::uint64_t spend(std::size_t tokens) { return where_ ? where_->spend(tokens) : 0; }

    void answered(std::uint64_t spent)
    {
        if (where_ && wants_answers_)
            where_->answered(spent);
    }
    void pause(time length)
    {
        if (where_)
            where_->pause(length);
    }

    /// A page is delivered, with the keys of its records if these are to be remembered.
    void delivered(std::uint64_t index, nlohmann::json receipt, std::vector<std::string> keys)
    {
        order_.push_back(index);
        out_.emplace(index, page{std::move(receipt), std::move(keys)});
    }

    /// A page has nothing to deliver.
    void passed(const any_pager& pager, nlohmann::json receipt)
    {
        add(pager, {std::move(receipt), {}});
    }

    /// All that were delivered are done with but the last so many, which nobody has taken yet.
    void taken_but(const any_pager& pager, std::size_t waiting)
    {
        for (; order_.size() > waiting; order_.pop_front())
            done(pager, order_.front());
    }

    /// One page is done with. In whatever order; twice is once.
    void done(const any_pager& pager, std::uint64_t index)
    {
        if (auto found = out_.extract(index); !found.empty())
            add(pager, std::move(found.mapped()));
    }

    /// Saves what has changed, if it `has_to` be or the last time is long ago.
    void save(time now, bool has_to)
    {
        if (!is_changed_ || !(has_to || now >= saved_at_ + interval))
            return;
        const nlohmann::json kept{{"format", format}, {"pages", pages_}, {"limits", limits_}};
        where_->save(kept.dump(), keys_);
        saved_at_ = now;
        is_changed_ = false;
        keys_.clear();
    }

private:
    struct page {
        nlohmann::json receipt;
        std::vector<std::string> keys;
    };

    /// For how long what was spent matters to limits.
    static time lookback(const std::vector<limit>& limits)
    {
        time result{0};
        for (const limit& each : limits) {
            const time period = each.period() + each.slack();
            const double refill =
                static_cast<double>(each.burst()) / static_cast<double>(each.count());
            const std::chrono::duration<double, std::nano> full = period * refill;
            result = std::max({result, period, std::chrono::ceil<time>(full)});
        }
        return result;
    }

    static constexpr int format = 1;
    static constexpr time interval = std::chrono::milliseconds{100};

    void add(const any_pager& pager, page&& one)
    {
        if (one.receipt.is_null())
            return;
        pager.merge(pages_, one.receipt);
        for (std::string& each : one.keys)
            keys_.push_back(std::move(each));
        is_changed_ = true;
    }

    std::shared_ptr<checkpoint> where_;
    nlohmann::json pages_;
    nlohmann::json limits_;
    std::map<std::uint64_t, page> out_; // delivered and not done with
    std::deque<std::uint64_t> order_;   // in which they were delivered
    std::vector<std::string> keys_;     // that are not saved yet
    bool is_changed_ = false;
    bool wants_answers_ = false;
    time saved_at_ = -interval;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
