#ifndef EXTRACT_LIMITER_HPP
#define EXTRACT_LIMITER_HPP

#include "extract_arguments.hpp"

#include <headgate/async_limiter.hpp>
#ifdef EXTRACT_WITH_REDIS
#include <headgate/redis/shared_limiter.hpp>
#endif

#include <asio/io_context.hpp>

#include <optional>
#include <utility>

/// The limiter of a run: this process's own, or with --quota one that it shares with others.
class run_limiter {
public:
    run_limiter(asio::io_context& context, const arguments& args)
    {
        if (args.quota.empty()) {
            own_.emplace(context, args.limits, args.credit);
            return;
        }
#ifdef EXTRACT_WITH_REDIS
        namespace redis = headgate::redis;
        const auto where = redis::client_options::with_key(args.quota);
        redis::shared_limiter_options options;
        if (args.quota_share)
            options.away(redis::when_away::share(*args.quota_share));
        else if (args.quota_fails)
            options.away(redis::when_away::fail());
        shared_.emplace(context, where.options, where.key, args.limits, options);
#endif
    }

    /// Calls a function with the limiter, of whichever type it is.
    template <class Function>
    auto visit(Function function) const
    {
#ifdef EXTRACT_WITH_REDIS
        if (shared_)
            return function(*shared_);
#endif
        return function(*own_);
    }

private:
    std::optional<headgate::async_limiter> own_;
#ifdef EXTRACT_WITH_REDIS
    std::optional<headgate::redis::shared_limiter> shared_;
#endif
};

#endif
