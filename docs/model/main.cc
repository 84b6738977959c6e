#include <cstdio>
#include <cstdlib>
#include <string>

#include "search.h"
using namespace ndb::explorer;
int main(int argc, char** argv) {
  Setup s;
  unsigned until = 7;
  bool trace = false;
  for (int i = 1; i < argc; i++) {
    std::string a = argv[i];
    if (auto f = fault_named(a))
      s.faults[*f]++;
    else if (auto v = variant_named(a))
      s.variant = *v;
    else if (a == "through")
      s.write_through = true;
    else if (a == "deletes")
      s.deletes = true;
    else if (a == "inv")
      s.invalidator = true;
    else if (a == "floors")
      s.floors = true;
    else if (a == "split")
      s.split = true;
    else if (a == "trace")
      trace = true;
    else if (a[0] == 'w')
      s.writers = atoi(&a[1]);
    else if (a[0] == 'r')
      s.reads = atoi(&a[1]);
    else if (a[0] == 'u')
      until = (unsigned)atoi(&a[1]);
    else {
      puts("?");
      return 2;
    }
  }
  auto r = search(s, until, 100000000);
  std::printf("%-16s %-14s%s w%d r%d | %-9s | states %zu steps %zu depth %d %.2f s%s\n",
              std::string(kVariantNames[(size_t)s.variant]).c_str(), faults_text(s).c_str(),
              s.write_through ? " through" : "", s.writers, s.reads, properties_text(r.violated).c_str(), r.states,
              r.steps, r.depth, r.seconds, r.complete ? "" : " (stopped)");
  if (trace)
    for (auto& [p, t] : r.counterexamples) {
      std::printf("  %s\n", properties_text(p).c_str());
      for (auto& l : t) std::printf("    %s\n", l.c_str());
    }
}
