// A long list into a file of NDJSON, by a program that may be killed at any moment, or lose its
// machine: started again it goes on, and in the end each record is in the file once. Nor does it
// send more than the limit allows, for what the one before has spent counts. The API answers
// {"results": [{"id": 1, ...}, ...], "count": 120000} and takes ?offset=200&limit=100.
//
//   resume https://api.example.com/items items.ndjson
//
// Beside the file there is items.ndjson.checkpoint until the list is complete; without one the file
// is begun anew.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>
#include <headgate/sqlite/checkpoint.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
namespace http = headgate::http;

// The file, of which only the beginning may be whole pages that are done with.
class output {
public:
    // Cuts off what the one before has written and then not come to say it has.
    output(const std::string& file, off_t size)
        : file_{::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)}, size_{size}
    {
        check(file_);
        const off_t there = ::lseek(file_, 0, SEEK_END);
        check(there);
        if (there < size)
            throw std::runtime_error{file + " is shorter than its checkpoint says"};
        check(::ftruncate(file_, size));
    }
    output(const output&) = delete;
    output& operator=(const output&) = delete;
    ~output() { ::close(file_); }

    void add(const headgate::page& page)
    {
        std::string lines;
        for (const auto& record : page.records())
            lines += record.json().dump() + '\n';
        for (std::size_t at = 0; at < lines.size();) {
            const ssize_t written = ::write(file_, lines.data() + at, lines.size() - at);
            check(written);
            at += static_cast<std::size_t>(written);
        }
        size_ += static_cast<off_t>(lines.size());
    }

    // How long it is, once that much is on the disk.
    off_t settled() const
    {
        check(::fdatasync(file_));
        return size_;
    }

private:
    static void check(off_t result)
    {
        if (result < 0)
            throw std::system_error{errno, std::generic_category(), "the output"};
    }

    int file_;
    off_t size_;
};

asio::awaitable<bool> pull(asio::io_context& context, http::request list, std::string file)
{
    headgate::paging::offset pages{list};
    pages.page_size(100);
    // The job says all that makes it another one: with another page size offsets mean others.
    auto kept = std::make_shared<headgate::sqlite::checkpoint>(
        file + ".checkpoint", list.url().str() + " by offset, 100 records a page");
    output lines{file, kept->note().empty() ? 0 : std::stoll(kept->note())};
    // Kept in the same transaction as the place in the list, so that neither is ahead of the other.
    // A page is done with when the next one is asked for.
    kept->on_save([&lines] { return std::to_string(lines.settled()); });
    std::cerr << "resume: " << (kept->is_new() ? "begins" : "goes on") << '\n';

    http::client client{context};
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(240, 60s)};
    headgate::extract_options options;
    options.checkpoint(kept);
    auto stream = headgate::extract(client, limiter, pages, options);
    while (auto page = co_await stream.next())
        lines.add(*page);
    std::cerr << "resume: " << stream.outcome() << '\n';
    co_return stream.outcome().complete();
}

int main(int argc, char* argv[])
try {
    if (argc != 3) {
        std::cerr << "usage: resume URL FILE\n";
        return 2;
    }
    const http::request list{argv[1]};
    const std::string file = argv[2];
    asio::io_context context{1};
    auto complete = asio::co_spawn(context, pull(context, list, file), asio::use_future);
    context.run();
    if (!complete.get())
        return 1;
    std::filesystem::remove(file + ".checkpoint");
    return 0;
} catch (const std::invalid_argument& e) {
    std::cerr << "resume: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "resume: " << e.what() << '\n';
    return 1;
}
