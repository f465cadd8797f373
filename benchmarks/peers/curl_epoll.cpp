// The job with epoll and curl_multi_socket_action, nothing between them: the least that it costs
// with libcurl.
#include "curl_job.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <system_error>
#include <unordered_map>

namespace {

/// Sockets stay with epoll from one transfer to the next; only when one becomes readable that
/// libcurl does not wait for, because the server has closed it, is it taken out.
class loop {
public:
    explicit loop(curl_job::transfers& all) : all_{all}, epoll_{epoll_create1(EPOLL_CLOEXEC)}
    {
        if (epoll_ < 0)
            throw std::system_error{errno, std::generic_category(), "epoll_create1"};
        CURLM* const multi = all_.multi();
        curl_job::check(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &on_socket));
        curl_job::check(curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this));
        curl_job::check(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &on_timeout));
        curl_job::check(curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this));
    }
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    ~loop()
    {
        all_.close(); // which calls back
        ::close(epoll_);
    }

    void run()
    {
        all_.start([this](CURL* easy) {
            curl_job::check(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &on_close));
            curl_job::check(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this));
        });
        std::array<epoll_event, 256> events;
        while (!all_.done()) {
            const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                         milliseconds_left());
            if (ready < 0 && errno != EINTR)
                throw std::system_error{errno, std::generic_category(), "epoll_wait"};
            for (int i = 0; i < ready; ++i)
                on_event(events[static_cast<std::size_t>(i)]);
            if (deadline_ && *deadline_ <= clock::now()) {
                deadline_.reset();
                act(CURL_SOCKET_TIMEOUT, 0);
            }
            all_.drain();
        }
    }

private:
    using clock = std::chrono::steady_clock;

    struct socket {
        std::uint32_t registered = 0; ///< what epoll watches for
        std::uint32_t wanted = 0;     ///< what libcurl waits for
    };

    int milliseconds_left() const
    {
        if (!deadline_)
            return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - clock::now());
        return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, 1000));
    }

    void on_event(const epoll_event& event)
    {
        const int fd = event.data.fd;
        const auto found = sockets_.find(fd);
        if (found == sockets_.end())
            return;
        if (found->second.wanted == 0) {
            found->second.registered = 0;
            control(EPOLL_CTL_DEL, fd, 0);
            return;
        }
        int flags = 0;
        flags |= (event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
        flags |= (event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
        flags |= (event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
        act(fd, flags);
    }

    void act(curl_socket_t fd, int flags)
    {
        int running = 0;
        curl_job::check(curl_multi_socket_action(all_.multi(), fd, flags, &running));
    }

    void control(int operation, int fd, std::uint32_t events)
    {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        if (epoll_ctl(epoll_, operation, fd, &event) != 0)
            failed_ = errno;
    }

    void watch(int fd, int what)
    {
        socket& one = sockets_[fd];
        one.wanted = 0;
        if (what == CURL_POLL_REMOVE)
            return;
        one.wanted |= (what & CURL_POLL_IN) != 0 ? static_cast<std::uint32_t>(EPOLLIN) : 0;
        one.wanted |= (what & CURL_POLL_OUT) != 0 ? static_cast<std::uint32_t>(EPOLLOUT) : 0;
        if (one.registered != one.wanted)
            control(one.registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, one.wanted);
        one.registered = one.wanted;
    }

    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*)
    {
        auto& me = *static_cast<loop*>(self);
        me.watch(fd, what);
        return me.failed_ == 0 ? 0 : -1;
    }

    static int on_timeout(CURLM*, long milliseconds, void* self)
    {
        auto& deadline = static_cast<loop*>(self)->deadline_;
        if (milliseconds < 0)
            deadline.reset();
        else
            deadline = clock::now() + std::chrono::milliseconds{milliseconds};
        return 0;
    }

    static int on_close(void* self, curl_socket_t fd)
    {
        static_cast<loop*>(self)->sockets_.erase(fd);
        return ::close(fd);
    }

    curl_job::transfers& all_;
    int epoll_;
    int failed_ = 0;
    std::optional<clock::time_point> deadline_;
    std::unordered_map<int, socket> sockets_;
};

void run(curl_job::transfers& all)
{
    loop{all}.run();
}

} // namespace

int main(int argc, char* argv[])
{
    return curl_job::main(argc, argv, "The job with epoll and curl_multi_socket_action", run);
}
