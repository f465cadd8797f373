// What a page of 50 records in 10 KB costs to parse, against nlohmann's own parser.
#include <headgate/detail/page_parser.hpp>

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string page()
{
    std::ifstream file{HEADGATE_PAGE};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void page_parser(benchmark::State& state)
{
    const headgate::http::response response{200, {}, page()};
    const headgate::detail::page_parser parser{nlohmann::json::json_pointer{"/results"}};
    for (auto _ : state)
        benchmark::DoNotOptimize(parser.parse(response));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(response.body().size()));
}
BENCHMARK(page_parser)->Unit(benchmark::kMicrosecond);

void nlohmann_parse(benchmark::State& state)
{
    const std::string text = page();
    for (auto _ : state)
        benchmark::DoNotOptimize(nlohmann::json::parse(text));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(nlohmann_parse)->Unit(benchmark::kMicrosecond);

} // namespace
