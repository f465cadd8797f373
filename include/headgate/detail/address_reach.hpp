#ifndef HEADGATE_DETAIL_ADDRESS_REACH_HPP
#define HEADGATE_DETAIL_ADDRESS_REACH_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/public_address.hpp>

#include <atomic>
#include <string>

namespace HEADGATE_NAMESPACE::detail {

/// Remembers whether an extraction talks to the internet. Safe to share between threads.
class address_reach {
public:
    /// @param address of the server that answered, as text; empty if none did
    void heard_from(const std::string& address)
    {
        if (detail::is_public(address))
            public_.store(true, std::memory_order_relaxed);
    }

    bool is_public() const noexcept { return public_.load(std::memory_order_relaxed); }

private:
    std::atomic<bool> public_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
