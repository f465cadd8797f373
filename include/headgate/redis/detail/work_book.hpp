#ifndef HEADGATE_REDIS_DETAIL_WORK_BOOK_HPP
#define HEADGATE_REDIS_DETAIL_WORK_BOOK_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// A list as the scripts of shared work take it, with its length in front.
inline void add_list(std::vector<std::string>& arguments, const std::vector<std::string>& list)
{
    arguments.push_back(std::to_string(list.size()));
    arguments.insert(arguments.end(), list.begin(), list.end());
}

/// What one process knows of a job that it shares with others: who it is there, what it has seen of
/// the job, and which items it holds.
class work_book {
    using time_point = std::chrono::steady_clock::time_point;

public:
    /// `name` is one that no other process has, and that this one has not had before.
    work_book(std::string name, std::chrono::milliseconds keep_finished)
        : name_{std::move(name)}, keep_finished_{std::to_string(keep_finished.count())}
    {
    }

    const std::string& name() const noexcept { return name_; }

    /// A name for a step that would do harm if taken twice.
    std::string next_step() { return name_ + ':' + std::to_string(++steps_); }

    /// What every script begins with. The steps that are told of once as heard are forgotten: if
    /// that is lost, a few bytes stay in Redis as long as the job does.
    std::vector<std::string> prelude()
    {
        std::vector<std::string> result{generation_, std::to_string(version_), run_, name_,
                                        keep_finished_};
        add_list(result, heard_);
        heard_.clear();
        return result;
    }

    /// The answer to a step has come, so that nobody will ask for it again.
    void heard(std::string step)
    {
        if (!step.empty())
            heard_.push_back(std::move(step));
    }

    /// What each answer begins with. Answers may be read in another order than they were given.
    void learn(const std::string& generation, const std::string& run, std::uint64_t version)
    {
        if (generation.empty() || (generation == generation_ && version < version_))
            return;
        generation_ = generation;
        run_ = run;
        version_ = version;
    }

    void hold(const std::string& id, std::size_t deliveries) { held_[id] = deliveries; }

    /// @return whether it was held.
    bool drop(const std::string& id, std::size_t deliveries)
    {
        const auto found = held_.find(id);
        if (found == held_.end() || found->second != deliveries)
            return false;
        held_.erase(found);
        return true;
    }

    bool holds_any() const noexcept { return !held_.empty(); }
    std::size_t held() const noexcept { return held_.size(); }
    void drop_all() noexcept { held_.clear(); }

    /// Ids and deliveries in turn, to say that their holder lives.
    std::vector<std::string> signs_of_life() const
    {
        std::vector<std::string> result;
        for (const auto& [id, deliveries] : held_) {
            result.push_back(id);
            result.push_back(std::to_string(deliveries));
        }
        return result;
    }

    /// An answer of any kind: Redis is there.
    void reached() noexcept { away_since_.reset(); }

    /// Redis did not answer.
    /// @return whether that has lasted for longer than it may.
    bool missed(time_point now, std::chrono::milliseconds patience)
    {
        if (!away_since_) {
            away_since_ = now;
            wait_ = shortest_wait;
        }
        return now - *away_since_ >= patience;
    }

    /// How long to wait before the next try.
    std::chrono::milliseconds next_wait() noexcept
    {
        return std::exchange(wait_, std::min(2 * wait_, longest_wait));
    }

private:
    static constexpr std::chrono::milliseconds shortest_wait{50};
    static constexpr std::chrono::milliseconds longest_wait{1000};

    const std::string name_;
    const std::string keep_finished_;
    std::string generation_;
    std::string run_;
    std::uint64_t version_ = 0;
    std::uint64_t steps_ = 0;
    std::vector<std::string> heard_;
    std::map<std::string, std::size_t> held_;
    std::optional<time_point> away_since_;
    std::chrono::milliseconds wait_ = shortest_wait;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
