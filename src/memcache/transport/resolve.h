// The addresses of a host, found within a deadline.
#pragma once

#include <netdb.h>

#include <memory>

#include "memcache/transport/address.h"
#include "memcache/transport/socket.h"

namespace ndb::memcache {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// The system's lookup, which has its own time-outs and accepts no others.
using Lookup = int (*)(const char* host, const char* port, const addrinfo* hints, addrinfo** found);

// The addresses of a host that is not a socket. A thread of its own looks a name up. If the time is over first, the
// thread is left behind and the result is kTimedOut; so it is if too many threads are left behind already. Thread-safe.
Transfer resolve(const Address& address, const Deadline& deadline, Addresses& found, Lookup lookup = &getaddrinfo);

}  // namespace ndb::memcache
