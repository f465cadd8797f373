#ifndef HEADGATE_CHECKPOINT_HPP
#define HEADGATE_CHECKPOINT_HPP

#include <headgate/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// Where a run keeps what the next one needs to go on, should it be stopped, crash or be killed:
/// which pages are done with, and what was spent of the limit. `sqlite::checkpoint` keeps it in a
/// file; a class of your own may keep it in the database that the records go to.
///
/// A run calls it from one thread at a time, under its own lock, so none of these may call the run
/// or its stream, nor wait for long. What one of them throws ends the run as
/// `outcome_code::checkpoint_failed`, with what it says.
class checkpoint {
public:
    /// What a run finds.
    struct state {
        /// Tokens that were spent together.
        struct spent {
            std::chrono::nanoseconds ago; ///< how long before now
            std::size_t tokens;           ///< how many
            /// How long before now its answer came, if `answered` was called.
            std::optional<std::chrono::nanoseconds> answered = std::nullopt;
        };

        /// What was saved last; empty if nothing ever was.
        std::string progress;
        /// All keys that were saved with it, in order; those that were saved first may be missing.
        std::vector<std::string> keys;
        /// What was spent within the time that was asked for, the earliest first.
        std::vector<spent> tokens;
        /// What was spent earlier than so long ago is not known beyond that; none if all is.
        std::optional<std::chrono::nanoseconds> unknown_until;
        /// How much is left of the last pause; zero if it is over.
        std::chrono::nanoseconds pause{0};
    };

    checkpoint() = default;
    checkpoint(const checkpoint&) = delete;
    checkpoint& operator=(const checkpoint&) = delete;
    virtual ~checkpoint() = default;

    /// What was kept so far. Called once, before all else.
    /// @param lookback  for how long what was spent matters, and is to be kept
    virtual state load(std::chrono::nanoseconds lookback) = 0;

    /// Keeps this instead of what was saved before, all or nothing, and these keys besides those
    /// saved before. What is saved has to outlive the loss of power.
    virtual void save(const std::string& progress, const std::vector<std::string>& keys) = 0;

    /// So many tokens are spent now: called before what they are spent on. Called for each request,
    /// so it should be quick. Has to outlive the end of the process, however that comes.
    /// @return a number for `answered`
    virtual std::uint64_t spend(std::size_t tokens) = 0;

    /// What was spent by the `spend` that returned this number has an answer now, so that it cannot
    /// reach the server later than that. Called only where a limit makes something of it: a window
    /// with much slack. Nothing is lost but time if this is not kept.
    virtual void answered(std::uint64_t spent) = 0;

    /// Nothing may be sent for so long from now on, because the server said so. As `spend`.
    virtual void pause(std::chrono::nanoseconds length) = 0;
};

} // namespace HEADGATE_NAMESPACE

#endif
