#ifndef HEADGATE_DETAIL_CURL_HANDLE_HPP
#define HEADGATE_DETAIL_CURL_HANDLE_HPP

#include <headgate/detail/config.hpp>

#include <curl/curl.h>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>

namespace HEADGATE_NAMESPACE::detail {

/// Initialises libcurl once in the process; thread-safe as of libcurl 7.84.
inline void curl_init()
{
    static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (result != CURLE_OK)
        throw std::runtime_error{curl_easy_strerror(result)};
}

/// The content encodings that libcurl can undo, as it names them in Accept-Encoding.
inline std::string curl_encodings()
{
    const int features = curl_version_info(CURLVERSION_NOW)->features;
    std::string result;
    const auto add = [&](int feature, const char* names) {
        if ((features & feature) != 0)
            result += (result.empty() ? "" : ", ") + std::string{names};
    };
    add(CURL_VERSION_LIBZ, "deflate, gzip");
    add(CURL_VERSION_BROTLI, "br");
    add(CURL_VERSION_ZSTD, "zstd");
    return result;
}

struct curl_deleter {
    void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

using curl_easy = std::unique_ptr<CURL, curl_deleter>;

inline curl_easy make_curl_easy()
{
    if (CURL* handle = curl_easy_init())
        return curl_easy{handle};
    throw std::bad_alloc{};
}

/// A list of header lines as libcurl takes them.
class curl_lines {
public:
    void add(const char* line)
    {
        curl_slist* longer = curl_slist_append(list_.get(), line);
        if (!longer)
            throw std::bad_alloc{};
        static_cast<void>(list_.release());
        list_.reset(longer);
    }
    void clear() noexcept { list_.reset(); }
    curl_slist* get() const noexcept { return list_.get(); }

private:
    std::unique_ptr<curl_slist, curl_deleter> list_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
