#ifndef HEADGATE_DETAIL_CONFIG_HPP
#define HEADGATE_DETAIL_CONFIG_HPP

// Which Asio headgate stands on: Boost.Asio where HEADGATE_BOOST_ASIO is 1, as the target of CMake
// and the file of pkg-config make it, else standalone Asio.
//
// HEADGATE_NAMESPACE opens the namespace. Inside it is one that says which Asio, and is inline:
// users write headgate::limit, the linker sees headgate::boost_asio::limit. A program that was
// compiled in part with one and in part with the other therefore does not link.
//
// HEADGATE_ASIO(error.hpp) names a header of Asio. Its folders have macros of their own, because
// clang-format puts spaces around the slash of an argument, which would be looked for.

#if defined(HEADGATE_BOOST_ASIO) && HEADGATE_BOOST_ASIO + 0 == 0
#undef HEADGATE_BOOST_ASIO
#endif

#if defined(HEADGATE_BOOST_ASIO)

#define HEADGATE_NAMESPACE headgate::inline boost_asio
#define HEADGATE_ASIO(header) <boost/asio/header>
#define HEADGATE_ASIO_EXECUTION(header) <boost/asio/execution/header>
#define HEADGATE_ASIO_IP(header) <boost/asio/ip/header>
#define HEADGATE_ASIO_POSIX(header) <boost/asio/posix/header>

namespace boost::asio {
}

#else

#define HEADGATE_NAMESPACE headgate::inline standalone_asio
#define HEADGATE_ASIO(header) <asio/header>
#define HEADGATE_ASIO_EXECUTION(header) <asio/execution/header>
#define HEADGATE_ASIO_IP(header) <asio/ip/header>
#define HEADGATE_ASIO_POSIX(header) <asio/posix/header>

namespace asio {
}

#endif

namespace HEADGATE_NAMESPACE {

#if defined(HEADGATE_BOOST_ASIO)
namespace asio = ::boost::asio;
#else
namespace asio = ::asio;
#endif

} // namespace HEADGATE_NAMESPACE

#endif
