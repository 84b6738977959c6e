// The addresses of a host, within a time.
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

// What asks the system, which has time-outs of its own and keeps none of others.
using Lookup = int (*)(const char* host, const char* port, const addrinfo* hints, addrinfo** found);

// Of a host that is not a socket. A name is looked up by a thread of its own, which is left behind when the time is up:
// kTimedOut. So it is when many of these are there already. Thread-safe.
Transfer resolve(const Address& address, const Deadline& deadline, Addresses& found, Lookup lookup = &getaddrinfo);

}  // namespace ndb::memcache
