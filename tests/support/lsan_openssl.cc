// Linked into every program of an AddressSanitizer build.
//
// OpenSSL keeps an error queue for each thread and frees it when the thread ends. gRPC's threads may still be ending
// when the leak check runs at exit, and what they hold is then reported as lost.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libcrypto.so\n";
}  // NOLINT(bugprone-reserved-identifier)
