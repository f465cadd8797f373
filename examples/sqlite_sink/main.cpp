// A list into a table of SQLite: one transaction for each page, one statement bound for each
// record. The API answers {"results": [{"id": 1, "name": "..."}, ...], "count": 1200} and takes
// ?offset=200&limit=100.
//
//   sqlite_sink https://api.example.com/items items.db
//
// The table has whole pages whenever the program ends, and running it again replaces what is there
// already instead of adding it once more.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
namespace http = headgate::http;

class table {
public:
    explicit table(const std::string& file)
    {
        sqlite3* opened = nullptr;
        const int result = sqlite3_open(file.c_str(), &opened);
        database_.reset(opened); // also if it failed: it has the reason
        check(result);
        execute("CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT, json TEXT)");
        sqlite3_stmt* prepared = nullptr;
        check(sqlite3_prepare_v2(opened, "INSERT OR REPLACE INTO items VALUES (?, ?, ?)", -1,
                                 &prepared, nullptr));
        insert_.reset(prepared);
    }

    // All of the page, or nothing of it.
    void add(const headgate::page& page)
    {
        execute("BEGIN");
        try {
            for (const auto& record : page.records())
                add(record);
            execute("COMMIT");
        } catch (...) {
            sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
            throw;
        }
    }

private:
    void add(const headgate::record& record)
    {
        const auto json = record.json();
        bind(json.at("id").get<std::int64_t>(), json.at("name").get<std::string>(), record.text());
        const int result = sqlite3_step(insert_.get());
        sqlite3_reset(insert_.get());
        if (result != SQLITE_DONE)
            check(result);
    }

    void bind(std::int64_t id, const std::string& name, std::string_view text)
    {
        sqlite3_stmt* to = insert_.get();
        check(sqlite3_bind_int64(to, 1, id));
        check(sqlite3_bind_text64(to, 2, name.data(), name.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
        check(sqlite3_bind_text64(to, 3, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    }

    void execute(const char* what)
    {
        check(sqlite3_exec(database_.get(), what, nullptr, nullptr, nullptr));
    }

    void check(int result)
    {
        if (result != SQLITE_OK)
            throw std::runtime_error{std::string{"SQLite: "} + sqlite3_errmsg(database_.get())};
    }

    struct closer {
        void operator()(sqlite3* database) const { sqlite3_close(database); }
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3, closer> database_;
    std::unique_ptr<sqlite3_stmt, closer> insert_;
};

asio::awaitable<bool> fill(asio::io_context& context, http::request list, std::string file)
{
    table items{file};
    http::client client{context};
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(100, 60s)};
    headgate::paging::offset pages{list};
    pages.page_size(100);
    auto stream = headgate::extract(client, limiter, pages);
    // SQLite holds the loop up while it writes; that is short enough here. Pages that come
    // meanwhile wait in the stream, and when as many do as may be in flight no more are fetched.
    while (auto page = co_await stream.next())
        items.add(*page);
    std::cerr << "sqlite_sink: " << stream.statistics().records << " records, " << stream.outcome()
              << '\n';
    co_return stream.outcome().complete();
}

int main(int argc, char* argv[])
try {
    if (argc != 3) {
        std::cerr << "usage: sqlite_sink URL FILE\n";
        return 2;
    }
    const http::request list{argv[1]};
    asio::io_context context{1};
    auto complete = asio::co_spawn(context, fill(context, list, argv[2]), asio::use_future);
    context.run();
    return complete.get() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "sqlite_sink: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "sqlite_sink: " << e.what() << '\n';
    return 1;
}
