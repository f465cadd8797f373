// The job with libcurl's own loop: curl_multi_perform and curl_multi_poll.
#include "curl_job.hpp"

namespace {

void run(curl_job::transfers& all)
{
    all.start([](CURL*) {});
    while (!all.done()) {
        int running = 0;
        curl_job::check(curl_multi_perform(all.multi(), &running));
        all.drain();
        if (!all.done())
            curl_job::check(curl_multi_poll(all.multi(), nullptr, 0, 1000, nullptr));
    }
}

} // namespace

int main(int argc, char* argv[])
{
    return curl_job::main(argc, argv, "The job with curl_multi_poll", run);
}
