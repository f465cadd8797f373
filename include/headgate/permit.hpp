#ifndef HEADGATE_PERMIT_HPP
#define HEADGATE_PERMIT_HPP

#include <headgate/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace HEADGATE_NAMESPACE {

namespace detail {

/// Where a permit is from: a limiter of any clock and executor.
class permit_source {
public:
    /// What a permit was granted: how many tokens, when, and as which of the grants of its limits
    /// and, in a limiter of keys, of the limits that all keys share.
    struct grant {
        std::size_t tokens = 0;
        std::chrono::nanoseconds at{0};
        std::uint64_t order = 0;
        std::uint64_t shared_order = 0;
    };

    /// The holder is done. `used` of its tokens stay taken, which may be more than it was granted.
    virtual void finish(const grant& what, std::size_t used) noexcept = 0;

protected:
    ~permit_source() = default;
};

} // namespace detail

/// Tokens that were granted and are not accounted for yet.
///
/// A permit that is destroyed without `commit` or `settle` gives its tokens back, as if they had
/// never been granted: the request was not sent. Where the limit would be back at its full burst by
/// now without that, there is nothing to give back. Until it is destroyed it is in flight for
/// `limit::in_flight`, and while it is the probe after a pause the others wait for it.
/// Movable; may outlive its limiter. Not safe to share between threads. Its end may let others
/// pass, which needs memory; as it cannot fail, the program ends if there is none.
class permit {
public:
    /// No tokens at all.
    permit() = default;
    /// For limiters.
    permit(std::shared_ptr<detail::permit_source> source, const detail::permit_source::grant& what)
        : source_{std::move(source)}, grant_{what}
    {
    }
    /// Takes over the tokens; the other has none left.
    permit(permit&& other) noexcept
        : source_{std::move(other.source_)}, grant_{other.grant_}, used_{other.used_}
    {
    }
    /// Ends what this one held, as its destructor does, and takes over the other.
    permit& operator=(permit&& other) noexcept
    {
        if (this != &other) {
            finish();
            source_ = std::move(other.source_);
            grant_ = other.grant_;
            used_ = other.used_;
        }
        return *this;
    }
    ~permit() { finish(); }

    /// Whether there are tokens in it.
    explicit operator bool() const noexcept { return source_ != nullptr; }

    /// How many were granted.
    std::size_t tokens() const noexcept { return grant_.tokens; }

    /// The tokens were used: what they stand for was sent.
    void commit() noexcept { used_ = grant_.tokens; }

    /// As `commit`, where the cost is known only now: what is less than was granted is given back,
    /// what is more is owed and keeps those who wait waiting longer.
    void settle(std::size_t actual) noexcept { used_ = actual; }

private:
    void finish() noexcept
    {
        if (source_)
            std::exchange(source_, nullptr)->finish(grant_, used_);
    }

    std::shared_ptr<detail::permit_source> source_;
    detail::permit_source::grant grant_;
    std::size_t used_ = 0;
};

} // namespace HEADGATE_NAMESPACE

#endif
