#ifndef HEADGATE_BENCHMARKS_PEERS_CURL_JOB_HPP
#define HEADGATE_BENCHMARKS_PEERS_CURL_JOB_HPP

#include "../job.hpp"

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// The job with libcurl alone. How to wait for its sockets is left to the programs.
namespace curl_job {

inline void check(CURLcode result)
{
    if (result != CURLE_OK)
        throw std::runtime_error{curl_easy_strerror(result)};
}

inline void check(CURLMcode result)
{
    if (result != CURLM_OK)
        throw std::runtime_error{curl_multi_strerror(result)};
}

/// All transfers of a job: each of as many handles as may be in flight is used again for the next
/// page as soon as it has brought one.
class transfers {
public:
    explicit transfers(const job::arguments& settings)
        : settings_{settings}, records_{settings}, multi_{curl_multi_init()}
    {
        if (!multi_)
            throw std::bad_alloc{};
        check(curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                                static_cast<long>(settings.in_flight)));
    }

    CURLM* multi() const noexcept { return multi_.get(); }
    const job::records& records() const noexcept { return records_; }
    bool done() const noexcept { return records_.pages() == settings_.pages; }

    /// Begins as many transfers as may be in flight. `prepare` may add options to each handle.
    template <class Prepare>
    void start(Prepare prepare)
    {
        for (std::size_t i = 0; i < settings_.in_flight; ++i) {
            all_.push_back(std::make_unique<transfer>());
            prepare(all_.back()->easy.get());
            begin_next(*all_.back());
        }
    }

    /// Takes what libcurl has finished, and begins the next.
    void drain()
    {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
            check(message->data.result);
            CURL* const easy = message->easy_handle;
            transfer* which = nullptr;
            check(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &which));
            long status = 0;
            check(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status));
            if (status != 200)
                throw std::runtime_error{"status " + std::to_string(status)};
            check(curl_multi_remove_handle(multi_.get(), easy));
            const std::string body = std::exchange(which->body, {});
            records_.take(body);
            begin_next(*which);
        }
    }

    /// Closes all connections.
    void close() noexcept
    {
        all_.clear();
        multi_.reset();
    }

private:
    struct multi_deleter {
        void operator()(CURLM* handle) const noexcept { curl_multi_cleanup(handle); }
    };
    struct easy_deleter {
        void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
    };

    struct transfer {
        transfer() : easy{curl_easy_init()}
        {
            if (!easy)
                throw std::bad_alloc{};
            check(curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L));
            check(curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, 30'000L));
            check(curl_easy_setopt(easy.get(), CURLOPT_PRIVATE, this));
            check(curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &on_body));
            check(curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body));
        }

        static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* body)
        {
            static_cast<std::string*>(body)->append(data, size * count);
            return size * count;
        }

        std::unique_ptr<CURL, easy_deleter> easy;
        std::string body;
    };

    void begin_next(transfer& which)
    {
        if (begun_ == settings_.pages)
            return;
        const std::string url = settings_.url + "?page=" + std::to_string(begun_++);
        check(curl_easy_setopt(which.easy.get(), CURLOPT_URL, url.c_str()));
        check(curl_multi_add_handle(multi_.get(), which.easy.get()));
    }

    job::arguments settings_;
    job::records records_;
    std::unique_ptr<CURLM, multi_deleter> multi_;
    std::vector<std::unique_ptr<transfer>> all_;
    std::uint64_t begun_ = 0;
};

/// Runs the job with `wait`, a function that waits until all is done, and prints what it took.
template <class Wait>
int main(int argc, char* argv[], const std::string& description, Wait wait)
{
    try {
        const auto settings = job::parse_arguments(argc, argv, description);
        check(curl_global_init(CURL_GLOBAL_DEFAULT));
        transfers all{settings};
        const job::measurement measured;
        wait(all);
        measured.print(all.records());
        return 0;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}

} // namespace curl_job

#endif
